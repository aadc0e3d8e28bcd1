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
