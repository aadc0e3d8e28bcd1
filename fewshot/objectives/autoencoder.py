"""Reconstruction as a pretext task."""

from collections.abc import Callable
from typing import Any

import gin
from torch import Tensor
from torch.nn import functional as F

from fewshot.interfaces import Batch, DataSpec
from fewshot.objectives.objective import Objective


@gin.register
class AutoEncoder(Objective):
    """Rebuild the image from its features (https://doi.org/10.1126/science.1127647).

    The loss is the mean squared error against the normalised image. decoder: factory called with
    (num_features, channels, image_size), default UpsamplingDecoder; CifarNetDecoder mirrors
    CifarNet.
    """

    def __init__(
        self,
        spec: DataSpec,
        encoder: Callable[..., Any] | None = None,
        inputs: Callable[..., Any] | None = None,
        decoder: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(spec, encoder, inputs)
        decoder = decoder or gin.get_configurable("UpsamplingDecoder")
        self.decoder = decoder(self.encoder.num_features, self.inputs.channels, self.inputs.size)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean squared error of the reconstruction of the augmented image."""
        images = self.inputs.normalise(self.augment(batch.images, batch.keys))
        return F.mse_loss(self.decoder(self.encoder(images)).float(), images.float()), {}

    def reconstruct(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Uint8 [B, C, H, W] -> (what the encoder saw, its reconstruction), float in [0, 1]."""
        seen = self.inputs.normalise(images)
        rebuilt = self.decoder(self.encoder(seen)).float()
        return self.inputs.denormalise(seen), self.inputs.denormalise(rebuilt)
