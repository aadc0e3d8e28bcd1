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
    validate: gives {split: {name: figure}}, called in training mode by all processes, of which the
    main one's figures count. select_by: "split/name" of
    the figure that chooses the model, or 'last'. save_model: writes the objective as model.mdl at
    a path. digests: of the data, by the name a user knows them under; a resumed run refuses others.
    Raises UserError for a number of epochs below 0, and without a sampler where there are epochs.
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

    def __post_init__(self) -> None:
        if self.num_epochs < 0:
            raise UserError(f"main.num_epochs is {self.num_epochs}: bind 0 or more.")
        if self.sampler is None and self.num_epochs > 0:
            raise UserError("main.sampler is not bound, and training needs one.")


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

    def facts(self) -> dict[str, Any]:
        """What results.json says of the training."""
        return {
            "selected_by": self.selected_by,
            "best_epoch": self.best_epoch,
            "epochs": self.epochs,
            "train_seconds": round(self.train_seconds, 2),
        }


def check_options(options: Any) -> None:
    """Refuse values of a trainer's options that no run can have."""
    for name in ("patience", "validate_every", "keep_every", "checkpoint_steps"):
        count = getattr(options, name)
        if count is not None and count < 1:
            raise UserError(f"Trainer.{name} is {count}: bind 1 or more.")
    if options.clip_norm is not None and not options.clip_norm > 0:
        raise UserError(f"Trainer.clip_norm is {options.clip_norm}: bind more than 0, or None.")
