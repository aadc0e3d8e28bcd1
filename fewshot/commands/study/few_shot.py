"""The few-shot table: encoders x heads, over seeds and over ways to part the classes.

Every run trains on base classes and is evaluated on novel ones by all heads of its
FewShotEvaluation. A split is a folder with base.csv and novel.csv, as create_splits.sh --few-shot,
--few-shot-draw and --few-shot-combination write it; without --splits, the one that the configs
name.
"""

import argparse
from pathlib import Path

from fewshot.binding.locating import REPOSITORY
from fewshot.studies.arguments import add_run_arguments

_ENCODERS = (
    "pixels",
    "rotation",
    "contrastive",
    "triplet",
    "prototypical",
    "matching",
    "baseline_plus_plus",
    "supervised",
    "best",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Encoders, seeds, splits."""
    add_run_arguments(parser)
    parser.add_argument(
        "encoders", metavar="A.gin", nargs="*",
        help=f"experiments that train an encoder (default: {', '.join(_ENCODERS)}; "
        "with --splits without best)",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument("--splits", type=Path, nargs="+", default=[], metavar="DIR")
    parser.add_argument("--name", default="few_shot", help="the study's folder (few_shot)")


def default_encoders(of_the_usual_split: bool) -> list[str]:
    """The configs of the table; best.gin is about one more CSV of the usual split."""
    names = [name for name in _ENCODERS if name != "best" or of_the_usual_split]
    return [str(REPOSITORY / "configs" / "few_shot" / f"{name}.gin") for name in names]


def run(given: argparse.Namespace) -> None:
    """Complete every run, then write and print the tables."""
    from fewshot.studies.few_shot import run_study

    given.encoders = given.encoders or default_encoders(not given.splits)
    run_study(given)
