"""The trainer: any objective, on any device that lightning-fabric knows."""

import contextlib
from collections.abc import Callable, Iterator

import gin
import torch
from torch import nn

from fewshot.training.accelerator import launch_fabric
from fewshot.training.fit import Fit, LoopOptions, Summary
from fewshot.training.loop import TrainingRun

__all__ = ["Fit", "Summary", "Trainer"]


@gin.register
class Trainer:
    """Trains objectives; everything random is a function of (seed, epoch, step, rank).

    accelerator: 'auto', 'cpu', 'cuda', ...; devices: how many; precision: '32-true', '16-mixed',
    'bf16-mixed' or 'auto' (bf16-mixed where the hardware is fast at it); clip_norm: largest
    gradient norm; patience: validations without a new best before training stops; validate_every:
    epochs between validations; keep_every: epochs between models kept as
    checkpoints/epoch_NNN.mdl; checkpoint_steps: steps between writes of last.ckpt, besides the one
    after each epoch; compiled: the encoder under torch.compile while training and validating, which
    takes a C++ compiler and some time for each new size of a batch. Raises UserError for values
    that cannot be had here.
    """

    def __init__(
        self,
        accelerator: str = "auto",
        devices: int | str = 1,
        precision: str = "auto",
        clip_norm: float | None = None,
        patience: int | None = None,
        validate_every: int = 1,
        keep_every: int | None = None,
        checkpoint_steps: int | None = None,
        compiled: bool = False,
    ) -> None:
        self.options = LoopOptions(
            clip_norm, patience, validate_every, keep_every, checkpoint_steps, compiled
        )
        self.fabric = launch_fabric(accelerator, devices, precision)

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return self.fabric.device

    @property
    def precision(self) -> str:
        """What it computes in, 'auto' resolved."""
        return str(self.fabric.strategy.precision.precision)

    @property
    def is_main_process(self) -> bool:
        """Whether this is the one process that writes files."""
        return bool(self.fabric.is_global_zero)

    def prepare(self, fit: Fit) -> Callable[[], Summary]:
        """Build all that training needs and write nothing; call the result to train.

        Raises UserError for bindings that cannot work, before anything is begun.
        """
        if fit.num_epochs == 0:
            return lambda: Summary(0, 0, None, 0.0, "none", False, [])
        return TrainingRun(fit, self.fabric, self.options).train

    def fit(self, fit: Fit) -> Summary:
        """Train, leave the chosen model in the folder's model.mdl, and say what was done.

        With fit.num_epochs = 0 nothing is trained or written.
        """
        return self.prepare(fit)()

    @contextlib.contextmanager
    def inference(self, objective: nn.Module) -> Iterator[None]:
        """The objective on the device, in evaluation mode, without gradients, in the precision."""
        training = objective.training
        objective.to(self.device).eval()
        try:
            with torch.inference_mode(), self.fabric.autocast():
                yield
        finally:
            objective.train(training)
