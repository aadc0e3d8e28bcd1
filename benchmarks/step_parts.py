"""Where the time of a training step goes, part by part, beside a bare step's.

    python -m benchmarks.step_parts [--steps 150] [--rounds 3]

Both train as `benchmarks.training_step` has it. A part's time is its own, without what it calls
that is a part, too; the gathering of the images runs on a thread of its own while the step
computes, and counts only where the step waits for it. Medians over the rounds, of milliseconds a
step; what comes once an epoch, such as the checkpoint, is spread over the epoch's steps.
"""

import argparse
import contextlib
import functools
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
from torch.nn import functional as F

from benchmarks.hardware import machine
from benchmarks.training_step import BATCH, prepared, whole
from fewshot import seeding
from fewshot.objectives.inputs import Inputs
from fewshot.progress import ProgressBar
from fewshot.training.checkpoint import Checkpoints
from fewshot.training.fabric import Fabric
from fewshot.training.feed import Feed
from fewshot.training.health import Health
from fewshot.training.state import TrainingState
from fewshot.training.step import TrainingStep
from fewshot.training.tracking import MetricsLog

FORWARD, BACKWARD, OPTIMISER = "forward", "backward", "optimiser"
PARTS: list[tuple[Any, str, str]] = [
    (Feed, "_gather", "gather, on its thread"),
    (seeding, "reseed", "draws: generators re-seeded"),
    (Inputs, "augment", "draws and augmentation"),
    (Inputs, "normalise", "normalisation"),
    (TrainingStep, "gradients", FORWARD),
    (Fabric, "backward", BACKWARD),
    (TrainingStep, "move", OPTIMISER),
    (Health, "saw", "logging: averages, finite losses, bar"),
    (Health, "mean_loss", "logging: averages, finite losses, bar"),
    (TrainingState, "after_step", "logging: averages, finite losses, bar"),
    (ProgressBar, "update", "logging: averages, finite losses, bar"),
    (Health, "check", "end of the epoch: finite weights"),
    (MetricsLog, "record_epoch", "end of the epoch: metrics"),
    (Checkpoints, "save", "end of the epoch: last.ckpt"),
]


class Stopwatch:
    """Seconds of each part, without those of the parts that it calls, thread by thread."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._threads = threading.local()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted under the name."""

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            inner = self._threads.__dict__.setdefault("inner", [])
            inner.append(0.0)
            started = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                took = time.perf_counter() - started
                self.spent[name] += took - inner.pop()
                if inner:
                    inner[-1] += took

        return timed

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, every part is timed."""
        with contextlib.ExitStack() as stack:
            for owner, attribute, name in PARTS:
                function = getattr(owner, attribute)
                patch = mock.patch.object(owner, attribute, self.timed(name, function))
                stack.enter_context(patch)
            yield


def bare_parts(objective: torch.nn.Module, steps: int) -> Counter[str]:
    """Seconds of the three parts of a bare step, over all steps."""
    watch = Stopwatch()
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.01)
    images = torch.randn(BATCH, 1, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % 10
    objective.to(memory_format=torch.channels_last).train()

    def forward() -> torch.Tensor:
        return F.cross_entropy(objective.classifier(objective.encoder(images)), labels)

    def move() -> None:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    for _ in range(steps):
        loss = watch.timed(FORWARD, forward)()
        watch.timed(BACKWARD, loss.backward)()
        watch.timed(OPTIMISER, move)()
    return watch.spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    bare, program, totals = [], [], []
    with prepared(given.steps) as (make, dataset, place):
        bare_parts(make(), 20)
        for number in range(given.rounds):
            bare.append(bare_parts(make(), given.steps))
            watch = Stopwatch()
            with watch.watching():
                rate = whole(make, dataset, place / f"run{number}")
            program.append(watch.spent)
            totals.append(BATCH * given.steps / rate)

    def milliseconds(rounds: list[Counter[str]], name: str) -> float:
        return 1000 * statistics.median(spent[name] for spent in rounds) / given.steps

    names = dict.fromkeys(name for _, _, name in PARTS)
    print(f"{'part':<40} {'program':>9} {'bare':>9}   ms a step")
    for name in names:
        alone = f"{milliseconds(bare, name):9.3f}" if name in bare[0] else " " * 9
        print(f"{name:<40} {milliseconds(program, name):9.3f} {alone}")
    on_loop = list(names)[1:]
    rests = [
        total - sum(spent[name] for name in on_loop)
        for total, spent in zip(totals, program, strict=True)
    ]
    whole_step = 1000 * statistics.median(totals) / given.steps
    alone = 1000 * statistics.median(spent.total() for spent in bare) / given.steps
    rest = 1000 * statistics.median(rests) / given.steps
    print(f"{'the loop itself, waiting for images':<40} {rest:9.3f}")
    print(f"{'together':<40} {whole_step:9.3f} {alone:9.3f}   ratio {alone / whole_step:.3f}")
    print(machine())


if __name__ == "__main__":
    main()
