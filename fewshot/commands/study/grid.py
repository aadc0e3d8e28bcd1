"""Every combination of some bindings' values, over seeds, the best on validation first.

`grid A.gin --vary torch.optim.Adam.lr 1e-3 1e-2 --vary main.num_epochs 5 10 --seeds 0 1 2`
"""

import argparse

from fewshot.studies.arguments import add_choice_arguments, add_engine_arguments, add_run_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The experiment, what is varied, and by what the best is chosen."""
    add_run_arguments(parser)
    parser.add_argument("experiment", metavar="A.gin")
    parser.add_argument(
        "--vary", metavar=("NAME", "VALUE"), nargs="+", action="append", required=True,
        help="a binding's name and its values, as they are bound; repeatable",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    add_choice_arguments(parser)
    add_engine_arguments(parser)


def run(given: argparse.Namespace) -> None:
    """Complete every run, then write and print the table."""
    from fewshot.studies.grid import run_study

    run_study(given)
