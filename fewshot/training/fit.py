"""What one training run is given, and what it comes back with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.interfaces import Dataset, Sampler

Figures = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Fit:
    """One training run.

    sampler: may be None when num_epochs is 0, which trains nothing. optimizer, schedule:
    factories, None for torch.optim.Adam and for a fixed rate. schedule_every: 'step' or 'epoch'.
    validate: gives {split: {name: figure}}, called in training mode. select_by: "split/name" of
    the figure that chooses the model, or 'last'. save_model: writes the objective as model.mdl at
    a path. digests: of the data, by the name a user knows them under; a resumed run refuses others.
    """

    objective: nn.Module
    dataset: Dataset
    sampler: Sampler | None
    num_epochs: int
    seed: int
    folder: ExperimentFolder
    save_model: Callable[[Path], None]
    optimizer: Callable[..., Any] | None = None
    schedule: Callable[..., Any] | None = None
    schedule_every: str = "step"
    validate: Callable[[], Figures] | None = None
    select_by: str = "validation/top1"
    digests: Mapping[str, str] = field(default_factory=dict)
    resume: bool = False


@dataclass(frozen=True)
class Summary:
    """What a training run did.

    epochs: finished ones; best_epoch: that of the chosen model, from 1; best_value: its monitored
    figure, None when the last model was taken; train_seconds: validation included, over all
    resumed parts; history: the rows of metrics.jsonl.
    """

    epochs: int
    best_epoch: int
    best_value: float | None
    train_seconds: float
    selected_by: str
    stopped_early: bool
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class LoopOptions:
    """What `Trainer` lets a user set of the loop, checked; described there."""

    clip_norm: float | None = None
    patience: int | None = None
    validate_every: int = 1
    keep_every: int | None = None
    checkpoint_steps: int | None = None
    compiled: bool = False

    def __post_init__(self) -> None:
        for name in ("patience", "validate_every", "keep_every", "checkpoint_steps"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise UserError(f"Trainer.{name} is {count}: bind 1 or more.")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise UserError(f"Trainer.clip_norm is {self.clip_norm}: bind more than 0, or None.")
