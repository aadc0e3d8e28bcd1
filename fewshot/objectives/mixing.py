"""Batches whose images and labels are mixtures of two; built as factory(num_classes=...)."""

import gin
import torch
from torch import Tensor

from fewshot.errors import UserError


class _Mixing:
    """Applies one of torchvision's mixing transforms to a whole batch, or, at times, not.

    Draws come from torch's global generator, which is re-seeded at the top of every step.
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
        self._probability = probability
        self._mix = getattr(v2, self.transform)(alpha=alpha, num_classes=num_classes)

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Float [B, C, H, W], int64 [B] -> mixed images, label shares float [B, num_classes].

        Both are returned as they came in a batch that is not mixed.
        """
        if self._probability < 1 and torch.rand(()).item() >= self._probability:
            return images, labels
        mixed: tuple[Tensor, Tensor] = self._mix(images, labels)
        return mixed


@gin.register
class MixUp(_Mixing):
    """Each image blended with another (https://arxiv.org/abs/1710.09412).

    alpha: of the Beta(alpha, alpha) that the share is drawn from. probability: that a batch is
    mixed at all.
    """

    transform = "MixUp"


@gin.register
class CutMix(_Mixing):
    """A rectangle of each image pasted from another (https://arxiv.org/abs/1905.04899).

    alpha: of the Beta(alpha, alpha) that the area is drawn from. probability: that a batch is
    mixed at all.
    """

    transform = "CutMix"
