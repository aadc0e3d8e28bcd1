"""Two models on the same episodes: differences, head by head and setting by setting."""

import argparse
from pathlib import Path

from fewshot.console import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two runs."""
    parser.add_argument("a", metavar="A", type=Path, help="experiment folder, or its episodes.npz")
    parser.add_argument("b", metavar="B", type=Path, help="the other one")


def run(given: argparse.Namespace) -> None:
    """Print one line for each head and setting."""
    from fewshot.evaluation.compare import compare

    for row in compare(given.a, given.b).to_dict("records"):
        show(
            f"{row['episodes']}, {row['n']} episodes: A {row['A']:.4f}, B {row['B']:.4f}, "
            f"A - B = {100 * row['difference']:+.1f} +- {100 * row['ci95']:.1f} points"
        )
