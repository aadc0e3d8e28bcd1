"""Images/s of the whole program and of its bare step, captured where the device captures."""

import itertools
import logging
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gin
import numpy as np
import torch

from benchmarks.gpu_cases import Case
from benchmarks.synthetic import synthetic_dataset
from fewshot.batch import DataSpec
from fewshot.binding.config import load
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.training.device_rates import DeviceRates
from fewshot.training.hardware import Hardware
from fewshot.training.recording import recorder_for
from fewshot.training.trainer import Fit, Trainer

_BYTES = 200_000_000  # of images at the most: an epoch draws them again and again


@dataclass(frozen=True)
class Bench:
    """Where and how long: seconds of steps in each epoch and for each figure, rounds of them.

    least: steps between two looks at the clock.
    """

    device: torch.device
    seconds: float
    rounds: int = 2
    least: int = 10

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def rate(self, step: Callable[[], object], images: int, seconds: float) -> float:
        """Images/s over about so many seconds, the device waited for at both ends."""
        step()
        self.wait()
        started, done = time.perf_counter(), 0
        while done == 0 or time.perf_counter() - started < seconds:
            for _ in range(self.least):
                step()
            self.wait()
            done += self.least * images
        return done / (time.perf_counter() - started)


@dataclass(frozen=True)
class Repeated:
    """A sampler of epochs as long as they have to be: random rows, `steps` batches of `batch`."""

    rows: int
    batch: int
    steps: int
    layout: str = "image"
    sections: int = 1

    def __len__(self) -> int:
        return self.steps

    def batches(self, epoch: int) -> Sequence[np.ndarray]:
        """Rows, drawn with replacement."""
        drawn = np.random.default_rng(epoch)
        return list(drawn.integers(0, self.rows, (self.steps, self.batch)))


@dataclass(frozen=True)
class Measured:
    """Images/s: bare steps and epochs of the program, some of each, and the program uncaptured.

    notes: what the program said of its capture.
    """

    bare: list[float]
    program: list[float]
    plain: float
    notes: list[str]

    def row(self, case: Case) -> str:
        """As a line of a table."""
        bare = statistics.median(self.bare)
        ratios = [rate / bare for rate in self.program]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        return (
            f"| {case.name}, batch {case.batch:,} | {bare:,.0f} | "
            f"{statistics.median(self.program):,.0f} | **{statistics.median(ratios):.2f}** | "
            f"{spread} | {self.plain:,.0f} |"
        )


def bare(make: Callable[[], Any], case: Case, dataset: Any, bench: Bench) -> Callable[[], object]:
    """Forward, backward and optimiser on one resident, normalised batch, captured."""
    hardware = Hardware(accelerator=bench.device.type)
    objective = make().to(hardware.device).to(memory_format=torch.channels_last).train()
    optimizer = gin.get_configurable(case.optimizer)(objective.parameter_groups())
    rates = DeviceRates(optimizer)
    rates.load()
    rows = np.arange(case.batch) % len(dataset)
    images = objective.inputs.normalise(dataset.images(rows).to(hardware.device))
    labels = torch.from_numpy(dataset.labels[rows]).to(hardware.device)

    def work() -> None:
        with hardware.fabric.autocast():
            loss = objective.loss(objective.classifier(objective.encoder(images)), labels)
        loss.backward()
        with rates.used():
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    recorder = recorder_for(hardware.device)
    if recorder is None:
        return work
    for _ in range(3):
        with recorder.apart():
            work()
    replay, _ = recorder.record(work)
    return replay


def program(
    make: Callable[[], Any], case: Case, dataset: Any, place: Path, bench: Bench, steps: int,
    **how: Any,
) -> list[float]:  # fmt: skip
    """Images/s of each epoch of `Trainer.fit` after the first, which warms up and records."""
    folder = ExperimentFolder(place)
    folder.create()
    hardware = Hardware(accelerator=bench.device.type, resident=how.pop("resident", None))
    trainer = Trainer(hardware, **how)
    fit = Fit(
        objective=make(),
        dataset=dataset,
        sampler=Repeated(len(dataset), case.batch, steps),
        optimizer=gin.get_configurable(case.optimizer),
        schedule=gin.get_configurable(case.schedule) if case.schedule else None,
        num_epochs=1 + bench.rounds,
        seed=0,
        select_by="last",
        folder=folder,
        save_model=lambda path: path.write_bytes(b""),
    )
    seconds = [row["seconds"] for row in trainer.fit(fit).history if row["split"] == "train"]
    return [steps * case.batch / (b - a) for a, b in itertools.pairwise(seconds)]


def measured(case: Case, place: Path, bench: Bench) -> Measured:
    """One row; bare steps before and after, so that a clock that changes is seen."""
    load([], case.bound())
    size = case.channels * math.prod(case.size)
    rows = max(2 * case.batch, min(8 * case.batch, _BYTES // size))
    dataset = synthetic_dataset(place, rows, case.size, case.channels)
    mean, std = dataset.statistics()
    spec = DataSpec(dataset.class_names, case.channels, case.size, mean, std, len(dataset))

    def make() -> Any:
        torch.manual_seed(0)
        return gin.get_configurable("TransferNet")(spec)

    step = bare(make, case, dataset, bench)
    part = bench.seconds / 3
    before = [bench.rate(step, case.batch, part) for _ in range(2)]
    steps = max(2 * bench.least, math.ceil(bench.seconds * max(before) / case.batch))
    with said() as notes:
        captured = program(make, case, dataset, place / "captured", bench, steps)
    after = bench.rate(step, case.batch, part)
    few, once = max(2 * bench.least, steps // 8), replace(bench, rounds=1)
    how = {"captured": False, "resident": False}
    (plain,) = program(make, case, dataset, place / "plain", once, few, **how)
    return Measured([*before, after], captured, plain, notes)


@contextmanager
def said() -> Iterator[list[str]]:
    """What the program says of capture inside."""
    found: list[str] = []

    class Notes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "captured" in record.getMessage():
                found.append(record.getMessage())

    logger, handler = logging.getLogger("fewshot"), Notes()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
