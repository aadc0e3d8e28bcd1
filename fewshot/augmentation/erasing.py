"""Augmentations that paint over a part of the image: random erasing and cutout."""

from collections.abc import Sequence
from functools import lru_cache

import gin
import torch
from torch import Tensor

from fewshot import seeding
from fewshot.augmentation.random_boxes import random_boxes, square_boxes
from fewshot.augmentation.transforms import (
    check_fill,
    check_probability,
    check_range,
    per_image,
    select,
)
from fewshot.errors import UserError
from fewshot.seeding import KeyedRandom

_NOISE_STARTS = 65_521  # places at which an image's noise may begin on the tape


@gin.register
class RandomErasing:
    """Paint a random box over with noise (https://arxiv.org/abs/1708.04896).

    probability: of erasing at all; area: range of the box's share of the image; aspect: range of
    its width / height, drawn log-uniformly among those that fit; value: 'random' (noise, each pixel
    and channel 0 .. 255), 'mean' (the image's own mean, a value a channel), or one number.
    """

    def __init__(
        self,
        probability: float = 0.5,
        area: Sequence[float] = (0.02, 0.4),
        aspect: Sequence[float] = (0.3, 1 / 0.3),
        value: float | str = "random",
    ) -> None:
        self.probability = check_probability("RandomErasing.probability", probability)
        self.area = check_range("RandomErasing.area", area, 1e-4, 1)
        self.aspect = check_range("RandomErasing.aspect", aspect, 1e-2)
        if not isinstance(value, str):
            check_fill("RandomErasing.value", value)
        elif value not in ("random", "mean"):
            raise UserError(
                f"RandomErasing.value is {value!r}: bind 'random', 'mean' or a number 0 .. 255."
            )
        self.value = value

    def __call__(self, images: Tensor, random: KeyedRandom) -> Tensor:
        """[B, C, H, W] -> the same shape and dtype."""
        height, width = images.shape[2], images.shape[3]
        erased = per_image(random.bernoulli(self.probability))
        box = random_boxes(random, self.area, self.aspect, height, width)
        return select(erased & box.mask(height, width), self._paint(images, random), images)

    def _paint(self, images: Tensor, random: KeyedRandom) -> Tensor:
        if self.value == "random":
            return _noise(images.shape, random).to(images.dtype)
        if self.value == "mean":
            return images.float().mean((2, 3), keepdim=True).to(images.dtype)
        return torch.full((), float(self.value), dtype=images.dtype, device=images.device)


def _noise(shape: torch.Size, random: KeyedRandom) -> Tensor:
    """uint8 noise of the given shape: each image reads a fixed tape from a place of its own.

    Keying every pixel would cost more than the training step's whole augmentation may.
    """
    pixels = shape[1:].numel()
    starts = random.integers(_NOISE_STARTS)
    return _tape(pixels, starts.device).unfold(0, pixels, 1).index_select(0, starts).view(shape)


@lru_cache(maxsize=8)
def _tape(pixels: int, device: torch.device) -> Tensor:
    values = seeding.generator("erasing noise").integers(0, 256, pixels + _NOISE_STARTS)
    return torch.from_numpy(values).to(torch.uint8).to(device)


@gin.register
class Cutout:
    """Paint over a square about a random pixel (https://arxiv.org/abs/1708.04552).

    size: side of the square in pixels, cut off at the border; fill: its value, 0 .. 255.
    """

    def __init__(self, size: int = 8, fill: float = 0) -> None:
        if size < 1:
            raise UserError(f"Cutout.size is {size}: bind 1 or more pixels.")
        self.size = size
        self.fill = check_fill("Cutout.fill", fill)

    def __call__(self, images: Tensor, random: KeyedRandom) -> Tensor:
        """[B, C, H, W] -> the same shape and dtype."""
        height, width = images.shape[2], images.shape[3]
        box = square_boxes(random, self.size, height, width)
        paint = torch.full((), self.fill, dtype=images.dtype, device=images.device)
        return select(box.mask(height, width), paint, images)
