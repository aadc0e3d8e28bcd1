"""The small net of the self-supervised pretext experiments."""

import gin
from torch import Tensor, nn

from fewshot.encoders.encoder import Encoder, too_small


@gin.register
class CifarNet(Encoder):
    """Two 5x5 convolutions and two linear layers with no activation between, up to 192 features.

    The classifying layer is the objective's. code_size: adds a last linear layer of that width, the
    autoencoder's code, which can stand as the classifier where it is as wide as there are
    classes. Built for 32x32 pixels (1600 values after the convolutions), takes 16x16 and larger.
    """

    def __init__(
        self, *, in_channels: int, image_size: tuple[int, int], code_size: int | None = None
    ) -> None:
        super().__init__()
        if min(image_size) < 16:
            raise too_small("CifarNet", image_size, 16)
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_channels, 64, 5, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(64)
        )
        self.conv2 = nn.Sequential(
            nn.Conv2d(64, 64, 5, bias=False), nn.BatchNorm2d(64), nn.MaxPool2d(2)
        )
        height, width = (((side - 4) // 2 - 4) // 2 for side in image_size)
        self.linear1 = nn.Sequential(
            nn.Flatten(), nn.Linear(64 * height * width, 384), nn.Dropout(0.5)
        )
        self.linear2 = nn.Linear(384, 192)
        self.code = nn.Identity() if code_size is None else nn.Linear(192, code_size)
        self.num_features = 192 if code_size is None else code_size

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, C, H, W] -> [B, num_features]."""
        features: Tensor = self.linear2(self.linear1(self.conv2(self.conv1(images))))
        return self.code(features)  # type: ignore[no-any-return]
