"""python -m fewshot VERB ...: every command beside experiment.py; without a verb, the list of them.

What a verb is, `fewshot/commands/__init__.py` says.
"""

import argparse
import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from pkgutil import iter_modules

from fewshot import commands
from fewshot.binding.suggestions import did_you_mean
from fewshot.console import exit_code, show
from fewshot.errors import UserError

_PROGRAM = "python -m fewshot"
_FOLDER = Path(commands.__path__[0])


def verbs(folder: Path) -> dict[str, Path]:
    """The verbs of a package, as they are typed, and the file of each."""
    return {
        module.name.rstrip("_"): folder
        / (f"{module.name}/__init__.py" if module.ispkg else f"{module.name}.py")
        for module in iter_modules([str(folder)])
    }


def _find(
    words: Sequence[str], program: str, package: str, folder: Path
) -> tuple[str, str, Sequence[str]] | None:
    """(module, program, arguments left) of the verb that is typed; None where help is asked for.

    Raises UserError for a word that is no verb.
    """
    known = verbs(folder)
    if not words or words[0] in ("-h", "--help"):
        lines = [f"  {verb:<12}{_first_line(file)}" for verb, file in known.items()]
        usage = f"usage: {program} VERB ...  (VERB --help says more)"
        show("\n".join([usage, "", _first_line(folder / "__init__.py"), "", *lines]))
        return None
    verb, rest = words[0].replace("-", "_"), words[1:]
    if verb not in known:
        hint = did_you_mean(verb, known)
        raise UserError(
            f"{program}: there is no '{words[0]}'.{hint} There are: {', '.join(known)}."
        )
    file, program = known[verb], f"{program} {verb}"
    if file.name == "__init__.py":
        return _find(rest, program, f"{package}.{file.parent.name}", file.parent)
    return f"{package}.{file.stem}", program, rest


def _first_line(file: Path) -> str:
    """The first line of a module's documentation, without importing it."""
    documentation = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return documentation.partition("\n")[0]


def main(arguments: Sequence[str] | None = None, program: str = "") -> int:
    """Run the verb; the exit code: 0 done, 2 the input is wrong, 130 interrupted.

    program: how the command is called in its help, where that is not `python -m fewshot VERB`.
    """
    words = sys.argv[1:] if arguments is None else arguments

    def run() -> int | None:
        found = _find(words, _PROGRAM, commands.__name__, _FOLDER)
        if found is None:
            return 0
        module, called, rest = found
        verb = importlib.import_module(module)
        parser = argparse.ArgumentParser(
            program or called,
            description=verb.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_arguments(parser)
        code: int | None = verb.run(parser.parse_args(rest))
        return code

    return exit_code(run)


if __name__ == "__main__":
    sys.exit(main())
