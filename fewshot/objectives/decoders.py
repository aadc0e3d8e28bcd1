"""Decoders: features -> images, the mirror of an encoder."""

import gin
from torch import Tensor, nn

from fewshot.errors import UserError


@gin.register
class UpsamplingDecoder(nn.Module):
    """Three doublings with convolutions, from an eighth of the image size; serves any encoder.

    forward: float [B, num_features] -> float [B, channels, *image_size].
    width: channels of the last stage; each earlier stage has twice as many.
    """

    def __init__(
        self, num_features: int, channels: int, image_size: tuple[int, int], width: int = 32
    ) -> None:
        super().__init__()
        height, breadth = (-(-side // 8) for side in image_size)
        widths = [width * 4, width * 2, width]
        self.image_size = tuple(image_size)
        self.start = nn.Sequential(
            nn.Linear(num_features, widths[0] * height * breadth),
            nn.Unflatten(1, (widths[0], height, breadth)),
        )
        self.stages = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Upsample(scale_factor=2),
                    nn.Conv2d(before, after, 3, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(),
                )
                for before, after in zip(widths, [*widths[1:], width], strict=True)
            )
        )
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """The images; what the doublings overshoot is cut off."""
        images: Tensor = self.last(self.stages(self.start(features)))
        return images[..., : self.image_size[0], : self.image_size[1]]


@gin.register
class CifarNetDecoder(nn.Module):
    """CifarNet's layers in reverse: linear, then unpool and transposed 5x5 convolution twice.

    forward: float [B, num_features] -> float [B, channels, *image_size]. Raises UserError for image
    sizes whose sides are not multiples of 4, which CifarNet's pooling would cut.
    """

    def __init__(self, num_features: int, channels: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        if any(side % 4 or side < 16 for side in image_size):
            raise UserError(
                f"CifarNetDecoder mirrors images whose sides are multiples of 4 from 16 on, not "
                f"{tuple(image_size)}: bind Inputs.size = (32, 32)."
            )
        height, width = (side // 4 - 3 for side in image_size)
        self.layers = nn.Sequential(
            nn.Linear(num_features, 192),
            nn.Linear(192, 384),
            nn.Linear(384, 64 * height * width),
            nn.Unflatten(1, (64, height, width)),
            nn.Upsample(scale_factor=2),
            nn.BatchNorm2d(64),
            nn.ConvTranspose2d(64, 64, 5, bias=False),
            nn.BatchNorm2d(64),
            nn.Upsample(scale_factor=2),
            nn.ConvTranspose2d(64, channels, 5, bias=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        """The images."""
        images: Tensor = self.layers(features)
        return images
