"""Which model is kept, and when to stop early: one monitored figure, followed over validations."""

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fewshot.errors import UserError

LAST = "last"

logger = logging.getLogger("fewshot")


def chosen_by(select_by: str, validates: bool) -> str:
    """What chooses the model: 'last' where there is no validation to ask.

    Raises UserError for what is no figure of a split, and for figures of the test split.
    """
    if select_by != LAST and ("/" not in select_by or select_by.startswith("test/")):
        raise UserError(
            f"main.select_by is {select_by!r}: bind a figure of the validation split, such as "
            "'validation/top1', or 'last'. The test split chooses nothing."
        )
    if not validates and select_by != LAST and not select_by.startswith("train/"):
        logger.info("there is no validation: the last model is kept, not main.select_by's choice")
        return LAST
    return select_by


@dataclass
class Standing:
    """How the monitored figure stood at the last validation; epochs count from 1, 0 is none.

    best_loss: the validation loss of the best epoch, None where there is none; tied: how many
    epochs have the best value.
    """

    best_value: float | None = None
    best_epoch: int = 0
    without_progress: int = 0
    best_loss: float | None = None
    tied: int = 0


class Monitor:
    """Follows the figure named `select_by`; where that is 'last', the training loss.

    mode: 'max', or 'min' for names that end in "loss". patience: how many validations in a row
    may pass without a new best before training stops; None never stops.
    """

    def __init__(self, select_by: str, patience: int | None) -> None:
        if patience is not None and select_by == LAST:
            raise UserError(
                f"Trainer.patience is {patience}, but no figure is monitored (main.select_by = "
                "'last', or there is no validation split): bind main.select_by, or unbind patience."
            )
        self.select_by = select_by
        self.followed = "train/loss" if select_by == LAST else select_by
        self.mode = "min" if self.followed.endswith("loss") else "max"
        self._patience = patience
        self.standing = Standing()

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return self._patience is not None and self.standing.without_progress >= self._patience

    def figure(self, figures: Mapping[str, float], epoch: int) -> float:
        """The one followed of {"split/name": figure}; raises UserError when it is not there."""
        if self.followed not in figures:
            raise UserError(
                f"main.select_by is {self.select_by!r}, but the figures there are: "
                f"{', '.join(sorted(figures)) or 'none'}. Bind one of them, or 'last'."
            )
        value = float(figures[self.followed])
        if not math.isfinite(value):
            raise UserError(
                f"the monitored figure, {self.followed}, is {value} after epoch {epoch}: bind "
                "another main.select_by, or lower the learning rate."
            )
        return value

    def update(self, value: float, epoch: int, loss: float | None = None) -> bool:
        """Take the figure of a validation and its loss; whether the epoch's model is the one to
        keep: a new best, or as good at less loss (else the first of equals stays).
        """
        standing = self.standing
        best = standing.best_value
        loss = float(loss) if loss is not None and math.isfinite(loss) else None
        if best is None or (value > best if self.mode == "max" else value < best):
            self.standing = Standing(value, epoch, 0, loss, 1)
            return True
        standing.without_progress += 1  # of the figure, by a tie as well
        if value != best:
            return False
        standing.tied += 1
        if loss is None or standing.best_loss is None or loss >= standing.best_loss:
            return False
        standing.best_epoch, standing.best_loss = epoch, loss
        return True

    def chosen(self, epochs: int) -> str:
        """Which of so many epochs model.mdl is of, and why."""
        standing = self.standing
        if self.select_by == LAST or standing.best_value is None:
            return f"model.mdl is that of epoch {epochs}, the last"
        reason = "the first" if standing.best_loss is None else "least loss"
        ties = f" ({standing.tied} epochs tie; {reason})" if standing.tied > 1 else ""
        figure = f"{self.select_by} {standing.best_value:.4f}"
        return f"model.mdl is that of epoch {standing.best_epoch}, by {figure}{ties}"

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self.standing)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from saved values; raises ValueError for what no validation can have left."""
        standing = Standing(**state)
        values = (standing.best_value, standing.best_loss)
        counts = (standing.best_epoch, standing.without_progress, standing.tied)
        if any(not (value is None or type(value) is float) for value in values) or any(
            type(count) is not int or count < 0 for count in counts
        ):
            raise ValueError(f"its monitor is {standing}")
        self.standing = standing


def with_ties(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """A saved state of a run; one of before ties were counted gets what it would have said then."""
    saved = state.get("monitor") if isinstance(state, Mapping) else None
    older = {"best_value", "best_epoch", "without_progress"}
    if not isinstance(saved, Mapping) or saved.keys() != older:
        return state
    fresh = {"best_loss": None, "tied": int(saved["best_value"] is not None)}
    return {**state, "monitor": {**saved, **fresh}}
