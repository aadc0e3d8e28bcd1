"""Augmentation of whole batches on their device, each image with its own keyed draw.

Every augmentation takes images [B, C, H, W] in 0 .. 255 (uint8 or float) and a `KeyedRandom` of the
same B, and returns images in the same scale. Image i's result depends on image i and on row i of
the keys alone, whatever the batch it comes in. Where no value is interpolated, uint8 stays uint8;
the others return float32.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import gin
import torch
import torch.nn.functional as F
from torch import Tensor

from fewshot.errors import UserError
from fewshot.seeding import KeyedRandom


class Augmentation(Protocol):
    """Images in 0 .. 255 -> images in 0 .. 255."""

    def __call__(self, images: Tensor, random: KeyedRandom) -> Tensor:
        """Augment [B, C, H, W]; `random` holds a row of keys per image."""
        ...


def check_probability(name: str, value: float) -> float:
    """The value; raises UserError unless it is in [0, 1]."""
    if not 0 <= value <= 1:
        raise UserError(f"{name} is {value}: bind a probability between 0 and 1.")
    return value


def check_range(
    name: str, value: Sequence[float], low: float, high: float = float("inf")
) -> tuple[float, float]:
    """(smallest, largest); raises UserError unless low <= smallest <= largest <= high."""
    if len(value) != 2 or not low <= value[0] <= value[1] <= high:
        upper = "" if high == float("inf") else f" and at most {high:g}"
        raise UserError(
            f"{name} is {tuple(value)}: bind (smallest, largest), both at least {low:g}{upper}."
        )
    return float(value[0]), float(value[1])


def check_fill(name: str, value: float) -> float:
    """The value; raises UserError unless it is a pixel value, 0 .. 255."""
    if not 0 <= value <= 255:
        raise UserError(f"{name} is {value}: bind a pixel value between 0 and 255.")
    return value


def per_image(values: Tensor) -> Tensor:
    """[B] as [B, 1, 1, 1], to combine with images."""
    return values.view(-1, 1, 1, 1)


def select(mask: Tensor, changed: Tensor, images: Tensor) -> Tensor:
    """`changed` where the bool mask is True, else `images`; both of one dtype, all broadcast."""
    if images.dtype != torch.uint8 or images.is_cuda:
        return torch.where(mask, changed, images)
    # Exact modulo 256, and vectorised on CPUs, where torch.where takes bytes one by one.
    return images + (changed - images) * mask


def windows(images: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """Cut one window an image: [B, C, H, W], int64 [B], int64 [B] -> [B, C, height, width].

    A window is one contiguous stretch of memory, copied whole and read with the old row length;
    that is several times faster than gathering its pixels one by one.
    """
    n, channels, full_height, full_width = images.shape
    stretch = (height - 1) * full_width + width
    plane = full_height * full_width
    planes = torch.arange(0, n * channels * plane, plane, device=images.device)
    corners = torch.add(left, top, alpha=full_width)
    corners = corners.repeat_interleave(channels) if channels > 1 else corners
    copied = images.flatten().unfold(0, stretch, 1).index_select(0, planes + corners)
    strides = (channels * stretch, stretch, full_width, 1)
    return copied.as_strided((n, channels, height, width), strides).contiguous()


@gin.register
class HorizontalFlip:
    """Mirror an image left to right with the given probability."""

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = check_probability("HorizontalFlip.probability", probability)

    def __call__(self, images: Tensor, random: KeyedRandom) -> Tensor:
        """[B, C, H, W] -> the same shape and dtype."""
        flipped = per_image(random.bernoulli(self.probability))
        return select(flipped, images.flip(-1), images)


@gin.register
class RandomCrop:
    """A window at a uniformly drawn place of the padded image.

    padding: pixels added on every side; size: (height, width) of the window, by default the
    image's own, which makes it a shift by up to `padding` pixels; reflect: pad with the mirrored
    image instead of with `fill` (0 .. 255). Raises UserError, at the first batch, when the window
    is larger than the padded image or the reflection wider than the image.
    """

    def __init__(
        self,
        padding: int = 4,
        size: tuple[int, int] | None = None,
        fill: float = 0,
        reflect: bool = False,
    ) -> None:
        if padding < 0:
            raise UserError(f"RandomCrop.padding is {padding}: bind 0 or more pixels.")
        self.padding = padding
        self.size = size
        self.fill = check_fill("RandomCrop.fill", fill)
        self.reflect = reflect

    def __call__(self, images: Tensor, random: KeyedRandom) -> Tensor:
        """[B, C, H, W] -> [B, C, *size], the same dtype."""
        height, width = self.size or (images.shape[2], images.shape[3])
        padded = self._pad(images)
        spare_rows, spare_columns = padded.shape[2] - height, padded.shape[3] - width
        if spare_rows < 0 or spare_columns < 0:
            raise UserError(
                f"RandomCrop.size is {(height, width)}, larger than the padded image "
                f"{(padded.shape[2], padded.shape[3])}: lower it or raise RandomCrop.padding."
            )
        top, left = random.integers(spare_rows + 1), random.integers(spare_columns + 1)
        return windows(padded, top, left, height, width)

    def _pad(self, images: Tensor) -> Tensor:
        margin = self.padding
        if not self.reflect:
            return F.pad(images, (margin, margin, margin, margin), value=self.fill)
        if margin >= min(images.shape[2:]):
            raise UserError(
                f"RandomCrop.padding is {margin}, too wide to reflect an image of "
                f"{tuple(images.shape[2:])}: lower it or set RandomCrop.reflect = False."
            )
        return _mirrored(_mirrored(images, margin, 2), margin, 3)


def _mirrored(images: Tensor, margin: int, axis: int) -> Tensor:
    """Padded along an axis by the mirror image, the border pixel not repeated (for any dtype)."""
    before = images.narrow(axis, 1, margin).flip(axis)
    after = images.narrow(axis, images.shape[axis] - 1 - margin, margin).flip(axis)
    return torch.cat([before, images, after], dim=axis)


@gin.register
class OneOf:
    """One of several augmentations an image, each equally likely.

    transforms: factories, such as [@HorizontalFlip, @RandomCrop]. With the six of the exemplar task
    (https://arxiv.org/abs/1406.6909) every view of an image shows one kind of change.
    Raises UserError when there is nothing to choose from, or a choice changes the image size.
    """

    def __init__(self, transforms: Sequence[Callable[[], Augmentation]]) -> None:
        if not transforms:
            raise UserError("OneOf.transforms is empty: bind a list such as [@HorizontalFlip].")
        self.transforms = [factory() for factory in transforms]

    def __call__(self, images: Tensor, random: KeyedRandom) -> Tensor:
        """[B, C, H, W] -> float32 of the same shape."""
        choice = random.integers(len(self.transforms))
        keys = random.integers(1 << 62).unsqueeze(1)
        one_by_one = self._of_some if images.device.type == "cpu" else self._of_all
        return one_by_one(images, choice, keys)

    def _of_some(self, images: Tensor, choice: Tensor, keys: Tensor) -> Tensor:
        result = images.to(torch.float32, copy=True)
        for index, transform in enumerate(self.transforms):
            chosen = (choice == index).nonzero().squeeze(1)
            if len(chosen) > 0:
                changed = transform(images[chosen], KeyedRandom(keys[chosen]))
                result[chosen] = _of_size(images, changed, transform).float()
        return result

    def _of_all(self, images: Tensor, choice: Tensor, keys: Tensor) -> Tensor:
        """Each on all of them: a GPU would wait to be told how many there are of each."""
        result = images.to(torch.float32, copy=True)
        for index, transform in enumerate(self.transforms):
            changed = transform(images, KeyedRandom(keys))
            changed = _of_size(images, changed, transform).float()
            result = torch.where(per_image(choice == index), changed, result)
        return result


def _of_size(images: Tensor, changed: Tensor, transform: Augmentation) -> Tensor:
    if changed.shape[1:] != images.shape[1:]:
        raise UserError(
            f"OneOf: {type(transform).__name__} turns {list(images.shape[1:])} into "
            f"{list(changed.shape[1:])}; the choices must keep the size: unbind its size."
        )
    return changed
