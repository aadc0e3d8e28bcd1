"""Where the time of a training step goes, part by part, beside a bare step's.

    python -m benchmarks.step_parts [--steps 150] [--rounds 3]

Both train as `benchmarks.training_step` has it. A part's time is its own, without what it calls
that is a part, too; the gathering of the images runs on a thread of its own while the step
computes, and is none of the step's. Medians over the rounds, of milliseconds a step; what comes
once an epoch, such as the checkpoint, is spread over the epoch's steps. With OMP_NUM_THREADS=1 it
is the time of the processor, which other work does not lengthen, else that of the clock.
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
from fewshot.training.trainer import TrainingRun

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
    (MetricsLog, "record_epoch", "end of the epoch: metrics.jsonl, TensorBoard"),
    (Checkpoints, "save", "end of the epoch: last.ckpt"),
    (TrainingRun, "train", "the loop itself"),
]


class Stopwatch:
    """Seconds of each part, without those of the parts that it calls, thread by thread."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._threads = threading.local()
        self._clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted under the name."""

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            inner = self._threads.__dict__.setdefault("inner", [])
            inner.append(0.0)
            started = self._clock()
            try:
                return function(*arguments, **named)
            finally:
                took = self._clock() - started
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
    bare, program = [], []
    with prepared(given.steps) as (make, dataset, place):
        bare_parts(make(), 20)
        for number in range(given.rounds):
            bare.append(bare_parts(make(), given.steps))
            watch = Stopwatch()
            with watch.watching():
                whole(make, dataset, place / f"run{number}")
            program.append(watch.spent)

    def milliseconds(rounds: list[Counter[str]], *names: str) -> float:
        sums = (sum(spent[name] for name in names) for spent in rounds)
        return 1000 * statistics.median(sums) / given.steps

    aside, *names = dict.fromkeys(name for _, _, name in PARTS)
    print(f"{'part':<44} {'program':>9} {'bare':>9}   ms a step")
    print(f"{aside:<44} {milliseconds(program, aside):9.3f}")
    for name in names:
        alone = f"{milliseconds(bare, name):9.3f}" if name in bare[0] else ""
        print(f"{name:<44} {milliseconds(program, name):9.3f} {alone}")
    alone, together = milliseconds(bare, *bare[0]), milliseconds(program, *names)
    print(f"{'together':<44} {together:9.3f} {alone:9.3f}   ratio {alone / together:.3f}")
    print(machine())


if __name__ == "__main__":
    main()
