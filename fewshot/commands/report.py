"""Write report.md and report.html of an experiment folder again, from its files alone."""

import argparse
from pathlib import Path

from fewshot.console import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder."""
    parser.add_argument("folder", metavar="EXPERIMENT_FOLDER", type=Path)


def run(given: argparse.Namespace) -> None:
    """Write both, and print where they are."""
    from fewshot.reports.report import write_report

    write_report(given.folder)
    show(str(given.folder / "report.html"))
