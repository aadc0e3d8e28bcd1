"""One optimiser step: forward, backward, clip, move."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fewshot.batch import Batch
from fewshot.errors import UserError
from fewshot.sharing import Share
from fewshot.training.fabric import Fabric, compiler_idle


class BatchForward(nn.Module):
    """An objective called with tensors, since DDP and autocast look into no dataclass."""

    def __init__(self, objective: nn.Module) -> None:
        super().__init__()
        self.objective = objective

    def forward(
        self,
        images: Tensor,
        labels: Tensor | None,
        rows: Tensor,
        keys: Tensor,
        share: Share | None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective's (loss, logs) for the batch of these tensors."""
        loss, logs = self.objective(Batch(images, labels, rows, keys, share))
        return loss, logs


class TrainingStep:
    """Moves an objective's parameters by one batch, its `before_step` and `after_step` around it.

    clip_norm: largest gradient norm, None for no limit.
    """

    def __init__(
        self, fabric: Fabric, objective: nn.Module, optimizer: Optimizer, clip_norm: float | None
    ) -> None:
        self._fabric = fabric
        self._name = type(objective).__name__
        self._clip_norm = clip_norm
        self._before_step = getattr(objective, "before_step", None)
        self._after_step = getattr(objective, "after_step", None)
        self._is_apart = getattr(objective, "step_is_apart", None)
        self.objective, self.optimizer = objective, optimizer
        self._releases: list[Callable[[], None]] = []
        self._module, self._optimizer = fabric.setup(BatchForward(objective), optimizer)

    def __call__(self, batch: Batch, step: int, total_steps: int) -> dict[str, Tensor]:
        """The batch's logs and "loss", detached scalars still on the device.

        step: how many steps were done before; total_steps: those of the whole run. Raises UserError
        when the loss depends on no trainable parameter.
        """
        self.before(step, total_steps)
        logs = self.gradients(batch)
        self.move()
        self.after()
        return logs

    def before(self, step: int, total_steps: int) -> None:
        """What the objective does before a step."""
        if self._before_step is not None:
            self._before_step(step, total_steps)

    def foreseen(self, batches: Iterable[Batch]) -> Iterable[Batch]:
        """The batches as they come: nothing is done ahead."""
        return batches

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of a forward pass."""
        return self._fabric.autocast()

    def is_apart(self) -> bool:
        """Whether the step to come does what a recording of others would not repeat."""
        return self._is_apart is not None and bool(self._is_apart())

    def gradients(self, batch: Batch) -> dict[str, Tensor]:
        """Forward and backward: the gradients where parameters have them, the logs returned."""
        loss, logs = self._forward(batch)
        if not loss.requires_grad:
            raise UserError(
                f"the loss of {self._name} depends on no trainable parameter: unfreeze a part, or "
                "bind main.num_epochs = 0 to evaluate only."
            )
        weight = self._weight(batch)
        self._fabric.backward(loss if weight == 1 else loss * weight)
        return {**{name: value.detach() for name, value in logs.items()}, "loss": loss.detach()}

    def move(self) -> None:
        """Clip the gradients, move the parameters, and forget the gradients."""
        if self._clip_norm is not None:
            self._fabric.clip_gradients(
                self._module,
                self._optimizer,
                max_norm=self._clip_norm,
                error_if_nonfinite=False,  # with 16-mixed the scaler skips such a step by itself
            )
        with compiler_idle(self.optimizer):
            self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def after(self) -> None:
        """What the objective does after a step."""
        if self._after_step is not None:
            with torch.no_grad():
                self._after_step()

    def when_closed(self, release: Callable[[], None]) -> None:
        """Have something released once training is over."""
        self._releases.append(release)

    def close(self) -> None:
        """Training is over."""
        while self._releases:
            self._releases.pop()()

    def _weight(self, batch: Batch) -> float:
        """By which means over parts of different sizes average to the mean over the whole batch.

        The weights of all processes average to 1, so that a loss of the whole batch, the same in
        each of them, stays what it is.
        """
        return len(batch) * self._fabric.world_size / len(batch.whole)

    def _forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        try:
            loss, logs = self._module(
                batch.images, batch.labels, batch.rows, batch.keys, batch.share
            )
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise UserError(
                f"a batch of {len(batch)} image is too small for the batch normalisation of "
                f"{self._name}: bind a larger batch_size, or drop_last = True, of main.sampler."
            ) from error
        return loss, logs
