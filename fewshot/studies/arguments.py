"""What the command lines of all studies share."""

import argparse


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """What every study takes: -c, -p, --output-dir."""
    parser.add_argument(
        "-c", "--config", metavar="FILE", action="append", default=[],
        help="one more config for every run, behind its own; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "-p", "--parameter", metavar="BINDING", action="append", default=[],
        help="one binding for every run; repeatable, overrides the configs",
    )  # fmt: skip
    parser.add_argument(
        "--output-dir", metavar="DIR", default="experiments",
        help="parent of the study's folder (default: experiments)",
    )  # fmt: skip


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Where runs are computed, and how many at a time: --engine, --jobs."""
    parser.add_argument(
        "--engine", metavar="NAME", default="local",
        help="where the runs are computed: local, processes of this machine (default)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N",
        help="runs side by side, each with its share of the cores (default: 1)",
    )  # fmt: skip


def add_choice_arguments(parser: argparse.ArgumentParser) -> None:
    """By what the best run is chosen, what else is told of it, and the study's folder."""
    parser.add_argument(
        "--figure", default="validation/top1", metavar="SPLIT/NAME",
        help="what chooses (validation/top1); of one that ends in 'loss' the smallest is best",
    )  # fmt: skip
    parser.add_argument(
        "--told", default="test/top1", metavar="SPLIT/NAME", help="told beside it (test/top1)"
    )
    parser.add_argument("--name", help="the study's folder (default: of the experiment's name)")
