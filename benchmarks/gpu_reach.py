"""Seconds of training to an accuracy on Fashion-MNIST, over seeds, in one process."""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from fewshot.binding import config


@dataclass(frozen=True)
class Reached:
    """Of each seed: seconds of training, validation included, and test top-1."""

    seconds: list[float]
    top1: list[float]

    def row(self, name: str, target: float, within: float) -> str:
        """As a line of a table."""
        mean, took = statistics.mean(self.top1), statistics.mean(self.seconds)
        spread = statistics.stdev(self.top1) if len(self.top1) > 1 else 0.0
        there = "yes" if mean >= target and took <= within else "**no**"
        return (
            f"| {name}, {len(self.top1)} seed(s) | {took:.1f} "
            f"({min(self.seconds):.1f} to {max(self.seconds):.1f}) | {mean:.4f} +- {spread:.4f} | "
            f"{target:g} in {within:g} s: {there} |"
        )


def reached(
    file: str, bindings: Sequence[str], seeds: int, place: Path, more: Callable[[], bool]
) -> Reached:
    """As many seeds as asked for while there is time; `more` says whether there is.

    The test images are scored by the model that validation chose. Raises UserError as a run does.
    """
    from fewshot.main import main

    found = Reached([], [])
    for seed in range(seeds):
        if found.seconds and not more():
            break
        given = [*bindings, f"main.seed = {seed}"]
        request = config.new_run([file], given, f"seed{seed}", str(place), False)
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            main(request)
        results = json.loads((place / f"seed{seed}" / "results.json").read_text())
        found.seconds.append(float(results["train_seconds"]))
        found.top1.append(float(results["test"]["top1"]))
    return found


def clock(limit: float) -> Callable[[], bool]:
    """Whether so many seconds have not passed since."""
    started = time.monotonic()
    return lambda: time.monotonic() - started < limit
