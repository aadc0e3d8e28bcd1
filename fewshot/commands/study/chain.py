"""Two runs, the second starting from the first's model: pretraining, then fine-tuning or a probe.

`chain configs/rotation.gin configs/finetune.gin`: two folders in experiments/rotation-finetune.
"""

import argparse

from fewshot.studies.arguments import add_run_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two runs, and what is bound in one of them only."""
    add_run_arguments(parser)
    parser.add_argument("first", metavar="FIRST", help=".gin file of the run that trains a model")
    parser.add_argument("second", metavar="SECOND", help=".gin file of the run that takes it")
    for flag, which in (("-p1", "first"), ("-p2", "second")):
        parser.add_argument(
            flag, dest=f"{which}_only", metavar="BINDING", action="append", default=[],
            help=f"one binding for the {which} run only; repeatable, overrides -p",
        )  # fmt: skip
    parser.add_argument("--name", help="the study's folder (default: <FIRST>-<SECOND>)")


def run(given: argparse.Namespace) -> None:
    """Complete both runs and print what they reached."""
    from fewshot.studies.chain import run_study

    run_study(given)
