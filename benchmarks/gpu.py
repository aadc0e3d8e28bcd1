"""Every figure that needs a GPU, as tables for RESULTS.md, in one call of under three minutes.

    python -m benchmarks.gpu [rates loader neighbours fast best] [--seconds 1.5] [--limit 160]

rates       images/s of `Trainer.fit` as `experiment.py` runs it (step captured, images on the
            device), in epochs of so many seconds after one that warms up, against its own bare
            step: forward, backward and optimiser captured on one normalised batch; and of the
            same program with `Trainer.captured = False`, `Hardware.resident = False`
loader      the first row against PIL images, torchvision and a DataLoader of 2, 8 and 14 workers
neighbours  the five nearest of 100,000 references for 10,000 queries
fast        configs/fashion_mnist/fast.gin for nine epochs, not seven, which leaves room above
            0.935: seconds of training and test top-1, five seeds
best        configs/fashion_mnist/best.gin likewise; only where it is named, for it takes minutes

Ratios are medians with the least and the most. What is not begun by --limit seconds is left out,
which is said. Without a card nothing is measured; --rehearse runs every row on the processor at
tiny sizes, to see that it runs.
"""

import argparse
import logging
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.gpu_cases import CASES
from benchmarks.gpu_loader import usual_loop
from benchmarks.gpu_neighbours import sought
from benchmarks.gpu_reach import clock, reached
from benchmarks.gpu_steps import Bench, Measured, measured
from benchmarks.hardware import machine

CONFIGS = Path(__file__).parents[1] / "configs" / "fashion_mnist"
PARTS = ("rates", "loader", "neighbours", "fast", "best")
REACHED = {"fast": (0.935, 10.0, ["main.num_epochs = 9"]), "best": (0.95, 60.0, [])}
_LIMITS = "at least 0.9 of the bare step"


class Benchmark:
    """Prints a table for each part that is asked for."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.tiny, self.bindings = given.rehearse, given.parameter
        device = torch.device("cpu" if given.rehearse else "cuda")
        self.bench = Bench(device, given.seconds, *((1, 1) if given.rehearse else ()))
        self.time_left = clock(given.limit)
        self.first: Measured | None = None  # of the first row, which others are held against
        self.failed = False

    def part(self, name: str) -> None:
        """One table; an error in it is printed and costs the others nothing."""
        parts = {"rates": self.rates, "loader": self.loader, "neighbours": self.neighbours}
        self.tried(name, parts.get(name, lambda: self.reach(name)))

    def tried(self, name: str, work: Callable[[], None]) -> None:
        """Do it, if there is time."""
        if not self.time_left():
            print(f"{name}: left out, the time is up (--limit)", flush=True)
            return
        try:
            work()
        except Exception as error:
            self.failed = True
            print(f"{name}: {type(error).__name__}: {' '.join(str(error).split())}", flush=True)

    def rates(self) -> None:
        """The program against its bare step."""
        _table(f"net ({_LIMITS})", "bare, images/s", "program", "ratio", "spread", "uncaptured")
        for case in CASES:
            fitting = case.tiny() if self.tiny else case
            self.tried(f"{case.name}, batch {case.batch}", lambda case=fitting: self.rate(case))

    def rate(self, case: object) -> None:
        """One row of that."""
        with tempfile.TemporaryDirectory() as place:
            found = measured(case, Path(place), self.bench)
        self.first = self.first or found
        print(found.row(case), flush=True)
        for note in found.notes:
            print(f"  {note}", flush=True)

    def loader(self) -> None:
        """The first row against the usual loop (at least 5)."""
        if self.first is None:
            with tempfile.TemporaryDirectory() as place:
                case = CASES[0].tiny() if self.tiny else CASES[0]
                self.first = measured(case, Path(place), self.bench)
        own = statistics.median(self.first.program)
        _table("DataLoader's workers (at least 5)", "images/s", "program", "ratio")
        for workers in (0, 1) if self.tiny else (2, 8, 14):
            size, count = (4, 64) if self.tiny else (128, 50_000)
            theirs = usual_loop(self.bench, size, workers, count)
            print(
                f"| {workers} | {theirs:,.0f} | {own:,.0f} | **{own / theirs:.1f}** |", flush=True
            )

    def neighbours(self) -> None:
        """k-NN on the device."""
        references, queries = (2_000, 100) if self.tiny else (100_000, 10_000)
        _table(f"{queries:,} queries, {references:,} x 128", "seconds", "ratio", "same neighbours")
        found = sought(replace(self.bench, rounds=3), references, queries)
        print("\n".join(found.rows()), flush=True)

    def reach(self, name: str) -> None:
        """Training to an accuracy."""
        target, within, longer = REACHED[name]
        _table("recipe", "seconds of training", "test top-1", "asked for")
        with tempfile.TemporaryDirectory() as place:
            file = str(CONFIGS / f"{name}.gin")
            seeds = 1 if self.tiny else 5
            given = [*longer, *self.bindings]
            found = reached(file, given, seeds, Path(place), self.time_left)
        print(found.row(f"{name}.gin", target, within), flush=True)


def _table(*columns: str) -> None:
    print(f"\n| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}", flush=True)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all but best by default")
    parser.add_argument("--seconds", type=float, default=1.5, help="of steps in each epoch")
    parser.add_argument("--limit", type=float, default=160, help="seconds, for all")
    parser.add_argument("--rehearse", action="store_true", help="on the processor, tiny")
    parser.add_argument("-p", "--parameter", action="append", default=[], help="of fast and best")
    given = parser.parse_args(words)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if not given.rehearse and not torch.cuda.is_available():
        print("torch sees no GPU here: nothing was measured (--rehearse tries every row)")
        return 0
    logging.getLogger("fewshot").setLevel(logging.WARNING)
    print(f"{machine()}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}")
    benchmark = Benchmark(given)
    for part in given.parts or PARTS[:-1]:
        benchmark.part(part)
    return int(benchmark.failed)


if __name__ == "__main__":
    sys.exit(main())
