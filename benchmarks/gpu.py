"""Every row that needs a GPU, in one call of under three minutes.

    python -m benchmarks.gpu [--seconds 1.5]

For each net and size of batch, in one process: images/s of

bare      one resident batch, captured as one CUDA graph without augmentation: the card's own limit
captured  `Trainer.fit` as `experiment.py` runs it, step captured, images on the device
plain     the same with `Trainer.captured = False`, Hardware.resident = False

and the ratio captured / bare, which is to be at least 0.9; then nearest neighbours of 10,000
queries among 100,000 references on the device. Rates are of whole epochs after the first, which
warms up and records. Without a card it says so and measures nothing.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gin
import torch

from benchmarks.gpu_cases import CASES, Case
from benchmarks.hardware import machine
from benchmarks.synthetic import synthetic_dataset
from fewshot.batch import Batch, DataSpec
from fewshot.binding.config import load
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.heads.nearest import search
from fewshot.training.fit import Fit
from fewshot.training.hardware import Hardware
from fewshot.training.recording import CudaRecorder
from fewshot.training.step import TrainingStep


def rate(step: Callable[[], object], images: int, budget: float) -> float:
    """Images/s over about so many seconds, the card waited for at both ends."""
    for _ in range(5):
        step()
    torch.cuda.synchronize()
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < budget:
        for _ in range(10):
            step()
        torch.cuda.synchronize()
        done += 10 * images
    return done / (time.perf_counter() - started)


def bare(make: Callable[[], Any], case: Case, dataset: Any, budget: float) -> float:
    """Forward, backward and optimiser on one batch, recorded."""
    hardware = Hardware(accelerator="cuda")
    objective = make().to(hardware.device).to(memory_format=torch.channels_last).train()
    objective.inputs.transforms = []
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.01, momentum=0.9, fused=True)
    step = TrainingStep(hardware.fabric, objective, optimizer, None)
    rows = torch.arange(case.batch)
    images = dataset.images(rows.numpy())
    if objective.inputs.size != case.size:
        images = images[..., : objective.inputs.size[0], : objective.inputs.size[1]].contiguous()
    labels = torch.from_numpy(dataset.labels[: case.batch])
    batch = Batch(images, labels, rows, torch.stack([rows] * 3, 1)).to(hardware.device)
    recorder = CudaRecorder(hardware.device)

    def work() -> None:
        step.gradients(batch)
        step.move()

    for _ in range(3):
        with recorder.apart():
            work()
    replay, _ = recorder.record(work)
    return rate(replay, case.batch, budget)


def program(make: Callable[[], Any], dataset: Any, place: Path, epochs: int, **how: Any) -> float:
    """Images/s of `Trainer.fit` over the epochs after the first."""
    sampler = gin.get_configurable("ShuffledBatches")(
        labels=dataset.labels, class_names=dataset.class_names, seed=0
    )
    folder = ExperimentFolder(place)
    folder.create()
    hardware = Hardware(accelerator="cuda", resident=how.pop("resident", None))
    trainer = gin.get_configurable("Trainer")(hardware, **how)
    fit = Fit(
        objective=make(),
        dataset=dataset,
        sampler=sampler,
        optimizer=gin.get_configurable("torch.optim.SGD"),
        num_epochs=epochs,
        seed=0,
        select_by="last",
        folder=folder,
        save_model=lambda path: path.write_bytes(b""),
    )
    rows = [row for row in trainer.fit(fit).history if row["split"] == "train"]
    images = len(dataset) * (len(rows) - 1)
    return images / (rows[-1]["seconds"] - rows[0]["seconds"])


def measured(case: Case, place: Path, budget: float) -> None:
    """Print the row of a case."""
    load([], [*case.bindings, f"ShuffledBatches.batch_size = {case.batch}",
              "ShuffledBatches.drop_last = True", "torch.optim.SGD.lr = 0.01",
              "torch.optim.SGD.momentum = 0.9"])  # fmt: skip
    images = case.batch * (16 if case.size[0] > 100 else 60)
    dataset = synthetic_dataset(place, images, case.size, case.channels)
    mean, std = dataset.statistics()
    spec = DataSpec(dataset.class_names, case.channels, case.size, mean, std, len(dataset))

    def make() -> Any:
        return gin.get_configurable("TransferNet")(spec)

    limit = bare(make, case, dataset, budget)
    epochs = 1 + max(2, round(limit * budget / images))
    captured = program(make, dataset, place / "captured", epochs)
    plain = program(make, dataset, place / "plain", 3, captured=False, resident=False)
    print(
        f"{case.name}, batch {case.batch}: bare {limit:,.0f} images/s, captured {captured:,.0f} "
        f"(ratio {captured / limit:.2f}), plain {plain:,.0f} (ratio {plain / limit:.2f})",
        flush=True,
    )


def neighbours() -> None:
    """Of 10,000 queries among 100,000 references, on the device."""
    device = torch.device("cuda")
    drawn = torch.Generator(device).manual_seed(0)
    support = torch.randn(100_000, 128, device=device, generator=drawn)
    query = torch.randn(10_000, 128, device=device, generator=drawn)
    labels = torch.arange(100_000, device=device) % 100
    search(support, labels, query[:1024], 100, 5, "euclidean")
    torch.cuda.synchronize()
    started = time.perf_counter()
    search(support, labels, query, 100, 5, "euclidean")
    torch.cuda.synchronize()
    print(f"k-NN, 100,000 x 128, 10,000 queries: {time.perf_counter() - started:.2f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.5, help="measured for each figure")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        print("torch sees no GPU here: nothing was measured")
        return 0
    logging.getLogger("fewshot").setLevel(logging.WARNING)
    print(machine())
    for case in CASES:
        with tempfile.TemporaryDirectory() as temporary:
            try:
                measured(case, Path(temporary), given.seconds)
            except Exception as error:  # one row must not cost the others
                print(f"{case.name}, batch {case.batch}: {type(error).__name__}: {error}")
    neighbours()
    return 0


if __name__ == "__main__":
    sys.exit(main())
