"""A small residual net that trains fast on a few CPU cores."""

import math
from collections.abc import Sequence
from typing import ClassVar

import gin
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.encoders.encoder import Encoder, too_small
from fewshot.encoders.grid import checked_grid
from fewshot.errors import UserError


def _conv_norm(before: int, after: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(after)
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (https://arxiv.org/abs/1512.03385).

    Where the map shrinks, the shortcut averages before its 1x1 convolution, so that no pixel is
    dropped (https://arxiv.org/abs/1812.01187).
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv_norm(before, after, 3, stride)
        self.conv2 = _conv_norm(after, after, 3)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            pool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, _conv_norm(before, after, 1))
        last_norm = self.conv2[1]
        # starting from the identity makes the first steps safe at high learning rates
        nn.init.zeros_(last_norm.weight)  # type: ignore[arg-type]

    def forward(self, maps: Tensor) -> Tensor:
        """[B, before, H, W] -> [B, after, H / stride, W / stride], rounded up."""
        inner = self.conv2(F.relu(self.conv1(maps), inplace=True))
        return F.relu(inner + self.shortcut(maps), inplace=True)


@gin.register
class SmallResNet(Encoder):
    """Stem and residual stages, each after the first at half the resolution.

    widths: channels of each stage (multiples of 16 suit the CPU's matrix units). depth: residual
    blocks a stage. stem_pool: halve the maps after the stem, for larger images or more speed.
    max_pool: features are each channel's maximum over the last map instead of its mean. grid:
    (rows, columns) of cells of one size, each pooled by itself (they overlap where they do not
    divide the map), which keeps where things are: worth it where all images are framed alike, as
    product photos are. Features: widths[-1] a cell.
    Raises UserError where the images are too small, or the last map for the grid.
    """

    read_out: ClassVar[frozenset[str]] = frozenset({"grid", "max_pool"})

    def __init__(
        self,
        *,
        in_channels: int,
        image_size: tuple[int, int],
        widths: Sequence[int] = (32, 64, 128),
        depth: int = 1,
        stem_pool: bool = False,
        max_pool: bool = False,
        grid: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        if not widths or min(widths) < 1 or depth < 1:
            raise UserError(
                f"SmallResNet.widths is {widths} and depth {depth}: bind at least one stage, all "
                "of them 1 or more."
            )
        least = 2 ** (len(widths) - 1 + stem_pool)
        if min(image_size) < least:
            raise too_small("SmallResNet", image_size, least)
        convolution, norm = _conv_norm(in_channels, widths[0], 3)
        # pooling before the norm leaves a quarter of the values to it and to the ReLU
        pool = [nn.MaxPool2d(2)] if stem_pool else []
        self.stem = nn.Sequential(convolution, *pool, norm, nn.ReLU(inplace=True))
        self.stages = nn.Sequential()
        before = widths[0]
        for number, width in enumerate(widths):
            for block in range(depth):
                stride = 2 if number > 0 and block == 0 else 1
                self.stages.append(ResidualBlock(before, width, stride))
                before = width
        last = _last_map(image_size, len(widths) - 1, stem_pool)
        cells = checked_grid("SmallResNet", grid, image_size, last)
        self.pool = nn.AdaptiveMaxPool2d(cells) if max_pool else nn.AdaptiveAvgPool2d(cells)
        self.num_features = before * math.prod(cells)

    def blocks(self) -> list[nn.Module]:
        """The stem, then each residual block."""
        return [self.stem, *self.stages]

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, C, H, W] -> [B, num_features]."""
        features: Tensor = self.pool(self.stages(self.stem(images))).flatten(1)
        return features


def _last_map(image_size: tuple[int, int], halvings: int, stem_pool: bool) -> tuple[int, int]:
    rows, columns = (math.ceil(side // (1 + stem_pool) / 2**halvings) for side in image_size)
    return rows, columns
