"""The small net of the cats-and-dogs experiments with fewer labels."""

import itertools

import gin
from torch import Tensor, nn

from fewshot.encoders.encoder import Encoder, too_small


@gin.register
class CatsDogsNet(Encoder):
    """Three stages of 3x3 convolution, norm, LeakyReLU 0.2 and pooling, all pixels kept.

    At 224x224 pixels the features are the 64 x 28 x 28 values that the source's classifier starts
    from; that is all it states of these layers, so that widths (16, 32, 64), kernels and norm are
    ours. Takes 8x8 and larger.
    """

    def __init__(self, *, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        if min(image_size) < 8:
            raise too_small("CatsDogsNet", image_size, 8)
        widths = (in_channels, 16, 32, 64)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.LeakyReLU(0.2),
                    nn.MaxPool2d(2),
                )
                for before, after in itertools.pairwise(widths)
            )
        )
        self.num_features = widths[-1] * (image_size[0] // 8) * (image_size[1] // 8)

    def blocks(self) -> list[nn.Module]:
        """The three stages."""
        return list(self.stages)

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, C, H, W] -> [B, num_features]."""
        features: Tensor = self.stages(images)
        return features.flatten(1)
