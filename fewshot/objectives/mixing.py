"""Batches whose images and labels are mixtures of two; built as factory(num_classes=...)."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any

import gin
import torch
from torch import Tensor

from fewshot.errors import UserError


class _Mixing(ABC):
    """Mixes each image of a batch with the one before it, or, at times, leaves the batch alone.

    What is drawn, by torchvision's transform of that name, comes from torch's global generator,
    which is re-seeded at the top of every step. It is drawn before a step and lies in a tensor that
    stays in its place, so that a step recorded on a GPU follows it; a call without `draw` before it
    draws for itself.
    """

    transform: str

    def __init__(self, num_classes: int, alpha: float = 1.0, probability: float = 1.0) -> None:
        from torchvision.transforms import v2

        name = type(self).__name__
        if alpha <= 0 or not 0 <= probability <= 1:
            raise UserError(
                f"{name}.alpha is {alpha} and probability {probability}: alpha must be above 0, "
                "probability in [0, 1]."
            )
        self._num_classes, self._probability = num_classes, probability
        self._transform = getattr(v2, self.transform)(alpha=alpha, num_classes=num_classes)
        self._numbers = torch.zeros(6)
        self.drawn: bool | None = None  # whether the step to come is mixed; None: not known yet

    def draw(self, size: tuple[int, int], device: torch.device) -> None:
        """Draw for the step to come; size: (height, width) of its images."""
        numbers = self._draw(size)
        self.drawn = numbers is not None
        if self._numbers.device != device:
            self._numbers = self._numbers.to(device)
        if numbers is not None:
            self._numbers.copy_(numbers, non_blocking=True)

    def __call__(self, images: Tensor, labels: Tensor, *further: Tensor) -> tuple[Tensor, ...]:
        """Float [B, C, H, W], int64 [B] -> mixed images, label shares float [B, num_classes].

        further: label shares of other columns, float [B, any], mixed alike. All are returned as
        they came in a batch that is not mixed.
        """
        mixed, numbers = self.drawn, self._numbers
        if mixed is None:
            drawn = self._draw((images.shape[-2], images.shape[-1]))
            mixed = drawn is not None
            numbers = numbers if drawn is None else drawn.to(images.device)
        if not mixed:
            return images, labels, *further
        shares = images.new_zeros(len(labels), self._num_classes, dtype=torch.float32)
        shares.scatter_(1, labels.unsqueeze(1), 1.0)
        blended = (_blended(values, numbers) for values in (shares, *further))
        return self._mixed(images, numbers), *blended

    def _draw(self, size: tuple[int, int]) -> Tensor | None:
        """Six numbers: the share of the image itself, of the other, and the other's rectangle.

        None for a batch that is left alone.
        """
        if self._probability < 1 and torch.rand(()).item() >= self._probability:
            return None
        found: dict[str, Any] = self._transform.make_params([torch.empty(0, 1, *size)])
        share: float = found["lam"] if "lam" in found else found["lam_adjusted"]
        return torch.tensor([share, 1.0 - share, *found.get("box", (0, 0, 0, 0))])

    @abstractmethod
    def _mixed(self, images: Tensor, numbers: Tensor) -> Tensor:
        """The images [B, C, H, W] mixed by the six numbers."""


def _blended(values: Tensor, numbers: Tensor) -> Tensor:
    """Each row with the one before it."""
    return values.roll(1, 0).mul_(numbers[1]).add_(values.mul(numbers[0]))


@gin.register
class MixUp(_Mixing):
    """Each image blended with another (https://arxiv.org/abs/1710.09412).

    alpha: of the Beta(alpha, alpha) that the share is drawn from. probability: that a batch is
    mixed at all.
    """

    transform = "MixUp"

    def _mixed(self, images: Tensor, numbers: Tensor) -> Tensor:
        return _blended(images, numbers)


@gin.register
class CutMix(_Mixing):
    """A rectangle of each image pasted from another (https://arxiv.org/abs/1905.04899).

    alpha: of the Beta(alpha, alpha) that the area is drawn from. probability: that a batch is
    mixed at all.
    """

    transform = "CutMix"

    def _mixed(self, images: Tensor, numbers: Tensor) -> Tensor:
        left, top, right, bottom = numbers[2:].unbind()
        rows, columns = (
            torch.arange(side, device=images.device, dtype=torch.float32)
            for side in images.shape[-2:]
        )
        down, across = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
        return torch.where(down[:, None] & across, images.roll(1, 0), images)


class MixesBatches:
    """What an objective with a `mix` does around a step; a mix may be any callable."""

    recordable_before_step = True  # forward reads a tensor that a draw fills
    mix: Any
    inputs: Any

    def check_mix(self, columns: Collection[str]) -> None:
        """Raises UserError where a mix of one's own would leave further label columns unmixed."""
        if columns and not (self.mix is None or isinstance(self.mix, _Mixing)):
            raise UserError(
                "TransferNet.mix is none of this project's own, which mix further label columns "
                f"({', '.join(columns)}) as they mix the first: bind @CutMix or @MixUp, or "
                "TransferNet.auxiliary = None."
            )

    def before_step(self, step: int, total_steps: int) -> None:  # noqa: ARG002
        """Draw what the next batch is mixed by."""
        if isinstance(self.mix, _Mixing):
            self.mix.draw(self.inputs.size, self.inputs.scale.device)

    def step_is_apart(self) -> bool:
        """Whether the next batch is one of those that are not mixed."""
        return isinstance(self.mix, _Mixing) and self.mix.drawn is False

    def after_step(self) -> None:
        """What was drawn is used up."""
        if isinstance(self.mix, _Mixing):
            self.mix.drawn = None
