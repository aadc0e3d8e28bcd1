"""The whole program's training step against a bare one, in one run.

    python -m benchmarks.training_step [--steps 150] [--rounds 5]

Both train CifarNet (batch 128, 32x32 grey, 10 classes, SGD). The bare side repeats forward,
backward and optimiser step on one resident, already normalised batch. The program's side is
`Trainer.fit` as `experiment.py` runs it: rows drawn, gathered from a packed data set, moved,
cropped, flipped, normalised, logged and checkpointed. Rounds alternate, so that a noisy machine
hits both.
Prints images/s of each and the ratio (1.0 means that everything around the bare step is free).
"""

import argparse
import contextlib
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gin
import torch
from torch.nn import functional as F

from benchmarks.hardware import machine
from benchmarks.synthetic import synthetic_dataset
from fewshot.batch import DataSpec
from fewshot.binding.config import load
from fewshot.data.dataset import FashionDataset
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.training.trainer import Fit

BATCH = 128
BINDINGS = [
    "TransferNet.encoder = @CifarNet",
    "Inputs.augment = [@RandomCrop, @HorizontalFlip]",
    "RandomCrop.padding = 4",
    f"ShuffledBatches.batch_size = {BATCH}",
    "torch.optim.SGD.lr = 0.01",
    "Hardware.precision = '32-true'",
]


def bare(objective: torch.nn.Module, steps: int) -> float:
    """Images/s of forward, backward and step on one resident batch."""
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.01)
    images = torch.randn(BATCH, 1, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % 10
    objective.to(memory_format=torch.channels_last).train()
    started = time.perf_counter()
    for _ in range(steps):
        loss = F.cross_entropy(objective.classifier(objective.encoder(images)), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return BATCH * steps / (time.perf_counter() - started)


def whole(make: Callable[[], torch.nn.Module], dataset: object, folder: Path) -> float:
    """Images/s of the training loop of one epoch, checkpoint included."""
    sampler = gin.get_configurable("ShuffledBatches")(
        labels=dataset.labels, class_names=dataset.class_names, seed=0
    )
    fit = Fit(
        objective=make(),
        dataset=dataset,
        sampler=sampler,
        optimizer=gin.get_configurable("torch.optim.SGD"),
        num_epochs=1,
        seed=0,
        select_by="last",
        folder=_created(folder),
        save_model=lambda path: path.write_bytes(b""),
    )
    hardware = gin.get_configurable("Hardware")()
    summary = gin.get_configurable("Trainer")(hardware).fit(fit)
    return BATCH * len(sampler) / summary.train_seconds


def _created(path: Path) -> ExperimentFolder:
    folder = ExperimentFolder(path)
    folder.create()
    return folder


@contextlib.contextmanager
def prepared(steps: int) -> Iterator[tuple[Callable[[], torch.nn.Module], FashionDataset, Path]]:
    """(what makes the objective, a data set of so many batches, a folder to write in)."""
    logging.getLogger("fewshot").setLevel(logging.WARNING)
    load([], BINDINGS)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        dataset = synthetic_dataset(place, rows=BATCH * steps, size=(32, 32), channels=1)
        mean, std = dataset.statistics()
        spec = DataSpec(dataset.class_names, 1, (32, 32), mean, std, len(dataset))
        yield lambda: gin.get_configurable("TransferNet")(spec), dataset, place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with prepared(arguments.steps) as (make, dataset, place):
        bare(make(), 20)
        rates = [
            (bare(make(), arguments.steps), whole(make, dataset, place / f"run{number}"))
            for number in range(arguments.rounds)
        ]
    for number, (alone, program) in enumerate(rates, 1):
        print(
            f"round {number}: bare {alone:7.0f} images/s   program {program:7.0f} images/s   "
            f"ratio {program / alone:.3f}"
        )
    ratio = statistics.median(program / alone for alone, program in rates)
    print(f"median ratio {ratio:.3f} over {len(rates)} rounds of {arguments.steps} steps")
    print(machine())


if __name__ == "__main__":
    main()
