"""What the tests of objectives share: a little spec, a batch, and an encoder."""

import gin
import torch
from torch import Tensor, nn

from fewshot.batch import Batch, DataSpec
from fewshot.encoders.encoder import Encoder
from fewshot.objectives.objective import Objective


@gin.register(module="tests.toy")
class ToyEncoder(Encoder):
    """A convolution, a norm, dropout and pooling; weights is what would be fetched."""

    initialisation = {"weights": None}  # noqa: RUF012

    def __init__(self, *, in_channels, image_size, width=6, code_size=None, weights=None):
        super().__init__()
        self.weights = weights
        self.conv = nn.Conv2d(in_channels, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(0.5)
        self.code = nn.Identity() if code_size is None else nn.Linear(width, code_size)
        self.num_features = code_size or width

    def blocks(self):
        return [self.conv, self.norm, self.dropout]

    def forward(self, images: Tensor) -> Tensor:
        return self.code(self.dropout(self.norm(self.conv(images))).relu().mean((2, 3)))


class Pretext(Objective):
    """An objective that classifies nothing."""

    def __init__(self, spec, encoder=None, inputs=None):
        super().__init__(spec, encoder, inputs)
        self.decoder = nn.Linear(self.encoder.num_features, 2)

    def forward(self, batch):
        return self.decoder(self.embed(batch.images)).square().mean(), {}


CLASSES = ("Bags", "Hats", "Socks")


def spec(class_names=CLASSES, size=(12, 10), channels=1):
    return DataSpec(
        class_names, channels, size, (0.3,) * channels, (0.2,) * channels, 30, csv_digest="abc"
    )


def images(count=6, channels=1, size=(12, 10), seed=0):
    draws = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, *size), dtype=torch.uint8, generator=draws)


def batch(count=6, classes=3, **options):
    rows = torch.arange(count)
    keys = torch.stack([torch.zeros_like(rows), torch.zeros_like(rows), rows], 1)
    return Batch(images(count, **options), rows % classes, rows, keys)
