"""The trainer: on what a run is trained, and how."""

from collections.abc import Callable
from dataclasses import dataclass

import gin

from fewshot.training.fit import Fit, Summary, check_options
from fewshot.training.hardware import Hardware
from fewshot.training.run import TrainingRun

__all__ = ["Fit", "Summary", "Trainer"]


@gin.register(denylist=["hardware"])
@dataclass(eq=False)
class Trainer:
    """Trains objectives; everything random is a function of (seed, epoch, step, rank).

    hardware: what it trains on. clip_norm: largest gradient norm; patience: validations without a
    new best before training stops; validate_every: epochs between validations; keep_every: epochs
    between models kept as checkpoints/epoch_NNN.mdl; checkpoint_steps: steps between writes of
    last.ckpt, besides the one after each epoch; ema_decay: validate and keep the running mean of
    the weights, such as 0.999, see WeightAverage; captured: each step as one CUDA graph, None where
    that is safe, see CapturedStep. Raises UserError for values out of range.
    """

    hardware: Hardware
    clip_norm: float | None = None
    patience: int | None = None
    validate_every: int = 1
    keep_every: int | None = None
    checkpoint_steps: int | None = None
    ema_decay: float | None = None
    captured: bool | None = None

    def __post_init__(self) -> None:
        check_options(self)

    def prepare(self, fit: Fit) -> Callable[[], Summary]:
        """Build all that training needs and write nothing; call the result to train."""
        if fit.num_epochs == 0:
            return lambda: Summary(0, 0, None, 0.0, "none", False, [])
        return TrainingRun(fit, self).train

    def fit(self, fit: Fit) -> Summary:
        """Train, leave the chosen model in the folder's model.mdl, and say what was done."""
        return self.prepare(fit)()
