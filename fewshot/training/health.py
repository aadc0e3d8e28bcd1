"""Losses and weights that are not finite: found before a model is kept, and where they arose."""

import itertools
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from fewshot.errors import UserError
from fewshot.training.fit import Fit
from fewshot.training.state import TrainingState

_IDS_SHOWN = 5
_GROWN = 10  # times: a loss that grew so much tells of a rate that is too high


@dataclass(frozen=True)
class _Step:
    """epoch, number: counted from 1, the step within its epoch; total: over the whole run."""

    epoch: int
    number: int
    total: int
    rate: float
    rows: Tensor
    loss: Tensor


class Health:
    """Follows the steps since the last look; last_good: the checkpoint to go back to.

    Raises UserError at once where the weights that training starts from are not finite.
    """

    def __init__(
        self, fit: Fit, state: TrainingState, last_good: Path, device: torch.device
    ) -> None:
        self._objective, self._ids, self._state = fit.objective, fit.dataset.ids, state
        self._last_good = last_good
        # reading a loss back stalls a GPU, so there a look waits for some steps
        self._every = 1 if device.type == "cpu" else 50
        self._steps: deque[_Step] = deque(maxlen=self._every)
        self._first: Tensor | None = None  # losses: of the first step, and of the last but one
        self._before: Tensor | None = None
        bad = {name for name, tensor in _tensors(fit.objective) if not tensor.isfinite().all()}
        broken = sorted(bad & {name for name, _ in fit.objective.named_parameters()})
        if broken:
            raise UserError(
                f"the weights of {type(fit.objective).__name__} are not finite before any "
                f"training ({broken[0]}): take another saved model, this one is damaged."
            )
        self._watched = {name for name, _ in _tensors(fit.objective)} - bad

    def saw(self, rows: Tensor, loss: Tensor) -> None:
        """A step was done on these training rows, with this loss before it."""
        progress = self._state.progress
        rate = self._state.optimizer.param_groups[0]["lr"]
        self._first = loss if self._first is None else self._first
        self._before = self._steps[-1].loss if self._steps else None
        self._steps.append(
            _Step(
                progress.epoch + 1,
                progress.step + 1,
                progress.total_steps + 1,
                float(rate),
                rows,
                loss,
            )
        )

    def due(self) -> bool:
        """Whether it is time to look; always after the first step, which the rate cannot spoil."""
        progress = self._state.progress
        return progress.total_steps == 1 or progress.step % self._every == 0

    def mean_loss(self) -> float:
        """The epoch's mean loss so far; raises UserError where it is not finite."""
        loss = self._state.averages.mean("loss")
        if not math.isfinite(loss):
            bad = next((s for s in self._steps if not bool(s.loss.isfinite())), self._steps[-1])
            raise UserError(
                f"the loss is {float(bad.loss)} {self._where(bad)}: {self._advice(bad)} "
                f"{self._way_back()}"
            )
        return loss

    def check(self) -> None:
        """Raise UserError where the loss or a weight is not finite, before anything is kept."""
        if not self._steps:
            return
        self.mean_loss()
        watched = [tensor for name, tensor in _tensors(self._objective) if name in self._watched]
        # one answer for all, so that the device is waited for once
        if not watched or torch.stack([tensor.isfinite().all() for tensor in watched]).all():
            return
        bad = [
            name
            for name, tensor in _tensors(self._objective)
            if name in self._watched and not tensor.isfinite().all()
        ]
        raise UserError(
            f"weights of {type(self._objective).__name__} are not finite ({bad[0]}, {len(bad)} in "
            f"all) {self._where(self._steps[-1])}, and no such model is kept: lower the learning "
            f"rate, or bind Trainer.clip_norm = 1.0. {self._way_back()}"
        )

    def _where(self, step: _Step) -> str:
        ids = [str(self._ids[row]) for row in step.rows[:_IDS_SHOWN].tolist()]
        more = f" and {len(step.rows) - _IDS_SHOWN} more" if len(step.rows) > _IDS_SHOWN else ""
        return (
            f"in epoch {step.epoch}, step {step.number} (step {step.total} of the run, learning "
            f"rate {step.rate:g}, images {', '.join(ids)}{more})"
        )

    def _advice(self, step: _Step) -> str:
        """Before the first step no weight has moved; a rate that is too high shows by degrees."""
        look = (
            "look at what is bound of the loss (a margin, a temperature) and of the augmentation "
            "(a strength), and at these images"
        )
        if step.total == 1:
            return f"no weight had moved yet, so it is not the learning rate: {look}."
        rate = "lower the learning rate, or bind Trainer.clip_norm = 1.0"
        if self._before is None or self._first is None or not self._before.isfinite():
            return f"{rate}."
        before, first = float(self._before), float(self._first)
        if abs(before) > _GROWN * max(abs(first), 1.0):
            return f"it had grown from {first:.4g} to {before:.4g}: {rate}."
        return f"it was {before:.4g} a step before, so first {look}; if these are right, {rate}."

    def _way_back(self) -> str:
        if self._last_good.is_file():
            return f"The last good checkpoint is {self._last_good}."
        return "No checkpoint was written before."


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers that can be other than finite."""
    named = itertools.chain(module.named_parameters(), module.named_buffers())
    return ((name, tensor) for name, tensor in named if tensor.is_floating_point())
