"""Search for the bindings that do best on validation, by Optuna's tree-structured Parzen estimator.

`search A.gin --over torch.optim.Adam.lr 1e-4 1e-1 log --choice encoder @SmallResNet @SimpleCNN`.
Trials are ordinary experiments; the same command again goes on, also
with trials that failed or whose folder was removed, with more --trials for longer.
"""

import argparse

from fewshot.studies.arguments import add_choice_arguments, add_engine_arguments, add_run_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The experiment, where to search, and by what the best is chosen."""
    add_run_arguments(parser)
    parser.add_argument("experiment", metavar="A.gin")
    parser.add_argument(
        "--over", metavar=("NAME", "LOW HIGH [log]"), nargs="+", action="append", default=[],
        help="a binding's name and the range of its values, whole numbers where both ends are; "
        "log: by their logarithm; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--choice", metavar=("NAME", "VALUE"), nargs="+", action="append", default=[],
        help="a binding's name and its possible values, as they are bound; repeatable",
    )  # fmt: skip
    parser.add_argument("--trials", type=int, default=20, metavar="N", help="in all (20)")
    parser.add_argument("--seed", type=int, default=0, help="of the search and of every run (0)")
    add_choice_arguments(parser)
    add_engine_arguments(parser)


def run(given: argparse.Namespace) -> None:
    """Complete the trials, then write and print the table."""
    from fewshot.studies.search import run_study

    run_study(given)
