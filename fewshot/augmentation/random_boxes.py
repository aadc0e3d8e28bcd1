"""Boxes of random area, aspect ratio and place, one an image."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewshot.seeding import KeyedRandom


@dataclass(frozen=True)
class Boxes:
    """One box an image, int64 [B] each, in pixels, all of it inside the image."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor

    def mask(self, height: int, width: int) -> Tensor:
        """bool [B, 1, height, width], True inside the box."""
        rows = _between(self.top, self.height, height)
        columns = _between(self.left, self.width, width)
        return rows[:, None, :, None] & columns[:, None, None, :]


def _between(start: Tensor, length: Tensor, size: int) -> Tensor:
    index = torch.arange(size, device=start.device)
    return (index >= start[:, None]) & (index < (start + length)[:, None])


def random_boxes(
    random: KeyedRandom,
    area: tuple[float, float],
    ratio: tuple[float, float],
    height: int,
    width: int,
) -> Boxes:
    """Boxes whose share of the image area is uniform in `area`.

    ratio: range of width / height, drawn log-uniformly among those with which a box of the drawn
    area fits into the image (so there is nothing to reject and draw again); where none does, the
    nearest that fits. Sides are rounded to pixels, places uniform.
    """
    share = random.uniform(*area)
    # A box of share s fits when s * width / height <= ratio <= width / (s * height).
    narrowest, widest = share * width / height, width / (share * height)
    low = narrowest.clamp(min=ratio[0]).log()
    high = widest.clamp(max=ratio[1]).log()
    aspect = (low + (high - low).clamp(min=0) * random.uniform()).exp()
    aspect = torch.minimum(torch.maximum(aspect, narrowest), widest)
    pixels = share * (height * width)
    box_width = (pixels * aspect).sqrt().round().long().clamp(1, width)
    box_height = (pixels / aspect).sqrt().round().long().clamp(1, height)
    top = (random.uniform() * (height - box_height + 1)).long()
    left = (random.uniform() * (width - box_width + 1)).long()
    return Boxes(top, left, box_height, box_width)


def square_boxes(random: KeyedRandom, size: int, height: int, width: int) -> Boxes:
    """Squares of `size` pixels about a uniformly drawn pixel, cut off at the image's border."""
    top, left = random.integers(height) - size // 2, random.integers(width) - size // 2
    bottom, right = (top + size).clamp(max=height), (left + size).clamp(max=width)
    top, left = top.clamp(min=0), left.clamp(min=0)
    return Boxes(top, left, bottom - top, right - left)
