"""Every command beside experiment.py, a module each, found by listing this package.

A verb's docstring is its help, the first line its line in the list. `add_arguments(parser)` says
what it takes; `run(given)` does it and may return an exit code. Heavy imports belong into `run`, so
that --help answers at once. A package holds verbs of its own. A trailing _ is not typed (import_).
"""
