"""What labels are worth: scratch and pretext methods at 1, 2, 5, ... labels a class, over seeds.

Each pretext method is pretrained once a seed, on all training images without their labels; then it
and a net from scratch learn from the same few labels. Leaves curves, a CSV of every run, paired
differences with 95 % intervals, and what the labels saved are. The same command again goes on.
"""

import argparse

from fewshot.studies.arguments import add_engine_arguments, add_run_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's description, and how it is computed."""
    add_run_arguments(
        parser,
        config="what the study is: .gin that binds LabelBudget; repeatable, later ones win "
        "(default: configs/studies/label_budget.gin)",
        parameter="one binding; repeatable; LabelBudget.* are the study's, others every run's",
        parent_of="the study's folder and of the pretrained encoders",
    )
    parser.add_argument(
        "--quick", action="store_true",
        help="a small study in minutes: configs/studies/label_budget_quick.gin behind the others",
    )  # fmt: skip
    parser.add_argument("--name", help="the study's folder (default: the first config's stem)")
    parser.add_argument("--show", action="store_true", help="run nothing, show what there is")
    add_engine_arguments(parser)


def run(given: argparse.Namespace) -> None:
    """Complete every run, then write and print what was found."""
    from fewshot.studies.label_budget import run_study

    run_study(given)
