"""Many planned runs, one table, published figures beside ours.

Completes the runs of a plan, such as configs/studies/pretext_tasks.toml, that are not completed
yet, then writes and prints the table.
"""

import argparse
from pathlib import Path

from fewshot.studies.arguments import add_engine_arguments, add_run_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The plan, and which of its runs."""
    add_run_arguments(parser)
    parser.add_argument("plan", metavar="PLAN.toml", type=Path)
    parser.add_argument(
        "--only", metavar="PATTERN", nargs="+", default=["*"],
        help="complete only the runs of these names (* is any text) and those they start from",
    )  # fmt: skip
    parser.add_argument("--show", action="store_true", help="run nothing, show what there is")
    parser.add_argument("--name", help="the study's folder (default: the plan's stem)")
    add_engine_arguments(parser)


def run(given: argparse.Namespace) -> None:
    """Complete runs, then write and print the table."""
    from fewshot.studies.table import run_study

    run_study(given)
