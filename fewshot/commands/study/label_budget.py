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
        config="a .gin that binds LabelBudget says what the study is (default: "
        "configs/studies/label_budget.gin); any other, such as your data's, is put behind the "
        "configs of every run; repeatable, later ones win",
        parameter="one binding; repeatable; LabelBudget.* are the study's, any other reaches every "
        "run: pretraining, training and probes. What is meant for one kind belongs into a file "
        "that LabelBudget.pretext, .training or .probing names",
        parent_of="the study's folder and of the pretrained encoders",
    )
    parser.add_argument(
        "--quick", action="store_true",
        help="a small study in minutes, configs/studies/label_budget_quick.gin, in place of the "
        "usual one; not beside another that -c describes",
    )  # fmt: skip
    parser.add_argument("--name", help="the study's folder (default: the configs' stems)")
    parser.add_argument(
        "--show",
        action="store_true",
        help="run nothing, show what the study of the same -c and -p has left",
    )
    add_engine_arguments(parser)


def run(given: argparse.Namespace) -> None:
    """Complete every run, then write and print what was found."""
    from fewshot.studies.label_budget import run_study

    run_study(given)
