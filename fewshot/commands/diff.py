"""What two configs, or the configs of two experiment folders, bind differently.

Each name with both values, and the file and line of either.
"""

import argparse
from pathlib import Path

from fewshot.console import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two."""
    parser.add_argument("a", metavar="A", help=".gin file, or experiment folder")
    parser.add_argument("b", metavar="B", help="the other one")


def run(given: argparse.Namespace) -> None:
    """Print the differences."""
    from fewshot.binding.explaining import differences

    files = [
        str(Path(name) / "config.gin") if Path(name).is_dir() else name
        for name in (given.a, given.b)
    ]
    show(differences(files[:1], files[1:]) or "both bind the same")
