"""The convolutional net of the Fashion-MNIST classification experiments."""

import gin
from torch import Tensor, nn

from fewshot.encoders.encoder import Encoder, too_small


def _convolution(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    """Convolution padded by 2 (the 3x3 one, too: its map grows by 2), ReLU, norm, pooling."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, padding=2)
    nn.init.xavier_uniform_(conv.weight)
    return nn.Sequential(conv, nn.ReLU(), nn.BatchNorm2d(out_channels), nn.MaxPool2d(2))


@gin.register
class SimpleCNN(Encoder):
    """Two convolutions and a wide linear layer: 16,841,802 parameters with ten linear outputs.

    hidden: width of the linear layer, the number of features. Built for 28x28 grey pixels (4096
    values after the convolutions), takes 4x4 and larger.
    """

    def __init__(
        self, *, in_channels: int, image_size: tuple[int, int], hidden: int = 4096
    ) -> None:
        super().__init__()
        if min(image_size) < 4:
            raise too_small("SimpleCNN", image_size, 4)
        self.conv1 = _convolution(in_channels, 32, 5)
        self.conv2 = _convolution(32, 64, 3)
        height, width = ((side // 2 + 2) // 2 for side in image_size)
        self.linear = nn.Sequential(nn.Flatten(), nn.Linear(64 * height * width, hidden), nn.ReLU())
        self.num_features = hidden

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, C, H, W] -> [B, num_features]."""
        return self.linear(self.conv2(self.conv1(images)))  # type: ignore[no-any-return]
