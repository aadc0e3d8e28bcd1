"""The same experiments with several seeds: means, spreads, paired differences.

A1.gin:A2.gin is one experiment of two runs, the second starting from the model of the first.
Differences are taken seed by seed against the first experiment.
"""

import argparse

from fewshot.studies.arguments import add_engine_arguments, add_run_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Experiments, seeds, and the figure that is told."""
    add_run_arguments(parser)
    parser.add_argument("experiments", metavar="A.gin[:B.gin]", nargs="+")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument(
        "--figure", default="test/top1", metavar="SPLIT/NAME", help="default: test/top1"
    )
    parser.add_argument("--name", help="the study's folder (default: seeds-<first experiment>)")
    add_engine_arguments(parser)


def run(given: argparse.Namespace) -> None:
    """Complete every run, then write and print the table."""
    from fewshot.studies.seeds import run_study

    run_study(given)
