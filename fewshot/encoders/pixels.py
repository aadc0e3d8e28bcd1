"""Pixels as features: the baseline that any trained encoder should beat."""

from collections.abc import Sequence

import gin
from torch import Tensor
from torch.nn import functional as F

from fewshot.encoders.encoder import Encoder, too_small


@gin.register
class Pixels(Encoder):
    """The image itself, averaged down to `size` (height, width) and flattened; nothing to train.

    Raises UserError for images smaller than that.
    """

    def __init__(
        self, *, in_channels: int, image_size: tuple[int, int], size: Sequence[int] = (20, 15)
    ) -> None:
        super().__init__()
        self.size = (int(size[0]), int(size[1]))
        if image_size[0] < self.size[0] or image_size[1] < self.size[1]:
            raise too_small("Pixels", image_size, max(self.size))
        self.num_features = in_channels * self.size[0] * self.size[1]

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, C, H, W] -> [B, C * height * width]."""
        return F.adaptive_avg_pool2d(images, self.size).flatten(1)
