"""Reconstruction as a pretext task."""

from collections.abc import Callable
from typing import Any

import gin
from torch import Tensor

from fewshot.batch import Batch, DataSpec
from fewshot.objectives.decoders import UpsamplingDecoder
from fewshot.objectives.objective import Objective


@gin.register
class AutoEncoder(Objective):
    """Rebuild the image from its features (https://doi.org/10.1126/science.1127647).

    The loss is the mean squared error against the normalised (and, where that is bound, augmented)
    image. decoder: factory called with (num_features, channels, image_size), default
    @UpsamplingDecoder, for any encoder; @CifarNetDecoder mirrors CifarNet.
    """

    def __init__(
        self,
        spec: DataSpec,
        encoder: Callable[..., Any] | None = None,
        inputs: Callable[..., Any] | None = None,
        decoder: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(spec, encoder, inputs)
        decoder = decoder or gin.get_configurable(UpsamplingDecoder)
        self.decoder = decoder(self.encoder.num_features, self.inputs.channels, self.inputs.size)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean squared error of the reconstruction of the augmented images."""
        return self._errors(self.augment(batch.images, batch.keys)).mean(), {}

    def reconstruct(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Uint8 [B, C, H, W] -> (what the encoder saw, its reconstruction), pixels in [0, 1]."""
        seen, rebuilt = self._rebuild(images)
        return self.inputs.denormalise(seen), self.inputs.denormalise(rebuilt).clamp(0, 1)

    def pretext_figures(self, images: Tensor) -> dict[str, Tensor]:
        """Uint8 [B, C, H, W], not augmented -> the mean squared error of each image."""
        return {"reconstruction_loss": self._errors(images)}

    def _rebuild(self, images: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.inputs.normalise(images)
        return seen, self.decoder(self.encoder(seen)).float()

    def _errors(self, images: Tensor) -> Tensor:
        """Mean squared error of each image, [B], in float32."""
        seen, rebuilt = self._rebuild(images)
        return (rebuilt - seen).square().mean((1, 2, 3))
