"""A training run small enough to be cut anywhere: convolution, batch norm, dropout, keyed noise."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fewshot.batch import Batch
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.seeding import KeyedRandom, generator
from fewshot.training.fit import Fit
from fewshot.training.hardware import Hardware
from fewshot.training.trainer import Trainer


class TinyDataset:
    def __init__(self, n: int = 24, labelled: bool = True) -> None:
        random = np.random.default_rng(0)
        self.ids = np.arange(n).astype(str)
        self.labels = np.arange(n) % 3 if labelled else np.full(n, -1)
        self.class_names = ("a", "b", "c") if labelled else ()
        self.image_size = (6, 6)
        self.channels = 3
        pixels = random.integers(0, 200, (n, 3, 6, 6)) + 20 * (self.labels[:, None, None, None] + 1)
        self._images = torch.from_numpy(pixels.clip(0, 255).astype(np.uint8))

    def __len__(self) -> int:
        return len(self._images)

    def images(self, rows: Any) -> torch.Tensor:
        return self._images[torch.from_numpy(np.asarray(rows))]


class TinySampler:
    layout = "image"
    sections = 1

    def __init__(self, n: int = 24, size: int = 7, seed: int = 0) -> None:
        self.n, self.size, self.seed = n, size, seed

    def __len__(self) -> int:
        return -(-self.n // self.size)

    def batches(self, epoch: int) -> list[Any]:
        order = generator(self.seed, epoch).permutation(self.n)
        return [order[i : i + self.size] for i in range(0, self.n, self.size)]


class TinyNet(nn.Module):
    """Classifies; `die_at` makes it raise KeyboardInterrupt at that forward call."""

    def __init__(self, die_at: int | None = None) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(4, 3)
        self.register_buffer("steps_seen", torch.zeros((), dtype=torch.int64))
        self.die_at = die_at
        self.forwards = 0
        self.seen: list[Batch] = []

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": self.conv.parameters()}, {"params": self.head.parameters()}]

    def scores(self, images: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(images.float() / 255))
        return self.head(self.drop(x.relu().mean((2, 3))))

    def forward(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        if self.forwards == self.die_at:
            raise KeyboardInterrupt
        self.forwards += 1
        self.seen.append(batch)
        noise = KeyedRandom(batch.keys).uniform(0, 30)[:, None, None, None]
        scores = self.scores(batch.images.float() + noise)
        loss = nn.functional.cross_entropy(scores, batch.labels)
        return loss, {"top1": (scores.argmax(1) == batch.labels).float().mean()}

    def after_step(self) -> None:
        self.steps_seen += 1


def make_fit(path: Path, objective: nn.Module | None = None, **changes: Any) -> Fit:
    folder = ExperimentFolder(path)
    path.mkdir(parents=True, exist_ok=True)
    objective = TinyNet() if objective is None else objective
    values: dict[str, Any] = {
        "objective": objective,
        "dataset": TinyDataset(),
        "sampler": TinySampler(),
        "num_epochs": 3,
        "seed": 5,
        "folder": folder,
        "save_model": lambda path: torch.save(objective.state_dict(), path),
        "optimizer": lambda groups: torch.optim.Adam(groups, lr=0.01),
        "select_by": "last",
        "digests": {"training CSV": "abc"},
    }
    return Fit(**(values | changes))


def figures(*values: float) -> Callable[[], dict[str, dict[str, float]]]:
    """A validation that gives one value after the other."""
    left = list(values)
    return lambda: {"validation": {"top1": left.pop(0)}}


def same_states(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def cpu_trainer(**bound: Any) -> Trainer:
    """A trainer on the CPU; bound: fields of Hardware and of Trainer."""
    of_hardware = {field.name for field in fields(Hardware)} & set(bound)
    chosen = {name: bound.pop(name) for name in of_hardware}
    return Trainer(Hardware(**({"accelerator": "cpu"} | chosen)), **bound)
