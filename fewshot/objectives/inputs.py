"""From stored pixels to what an encoder sees: augmentation and normalisation of whole batches."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import gin
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.interfaces import DataSpec
from fewshot.seeding import KeyedRandom

Transform = Callable[[Tensor, KeyedRandom], Tensor]
Statistic = Sequence[float] | Literal["imagenet"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
_SMALLEST_STD = 1 / 255  # of a constant channel, which would otherwise divide by zero


@gin.register
class Inputs(nn.Module):
    """Augments stored pixels and normalises them to the encoder's size, channels and scale.

    augment: a factory of a transform or a list of them, applied in order, each with its own
    stream of draws (none by default). size: (height, width) the encoder sees, by default that of
    the data; larger images are cropped at the centre, smaller ones padded with 0 (black, the
    background of Fashion-MNIST). channels: 1 or 3, by default those of the data; grey is
    replicated, RGB becomes BT.601 luminance. mean, std: in [0, 1], a value a channel, or
    'imagenet'; by default those of the training pixels. Raises UserError for what cannot fit.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self,
        spec: DataSpec,
        augment: Callable[[], Transform] | Sequence[Callable[[], Transform]] | None = None,
        size: Sequence[int] | None = None,
        channels: int | None = None,
        mean: Statistic | None = None,
        std: Statistic | None = None,
    ) -> None:
        super().__init__()
        factories = [augment] if callable(augment) else list(augment or ())
        self.transforms: list[Transform] = [factory() for factory in factories]
        self.size = _checked_size(size, spec.image_size)
        self.channels = spec.channels if channels is None else channels
        if self.channels != spec.channels and {self.channels, spec.channels} != {1, 3}:
            raise UserError(
                f"Inputs.channels is {self.channels}, but the images have {spec.channels}: only "
                "grey to RGB (3) and RGB to grey (1) can be converted."
            )
        self.mean = _statistic("mean", mean, spec.mean, IMAGENET_MEAN, self.channels)
        self.std = _statistic("std", std, spec.std, IMAGENET_STD, self.channels)
        if std is not None and min(self.std) <= 0:
            raise UserError(f"Inputs.std is {self.std}: every value must be above 0.")
        self.std = tuple(max(value, _SMALLEST_STD) for value in self.std)
        # (pixel / 255 - mean) / std as one multiply-add
        scale = [1 / (255 * s) for s in self.std]
        shift = [-m / s for m, s in zip(self.mean, self.std, strict=True)]
        shape = (1, self.channels, 1, 1)
        self.register_buffer("scale", torch.tensor(scale).view(shape), persistent=False)
        self.register_buffer("shift", torch.tensor(shift).view(shape), persistent=False)

    def augment(self, images: Tensor, keys: Tensor) -> Tensor:
        """Images 0 .. 255 [B, C, H, W], each changed by draws from its own row of keys [B, K]."""
        random = KeyedRandom(keys)
        for number, transform in enumerate(self.transforms):
            images = transform(images, random.fold(number))
        return images

    def normalise(self, images: Tensor) -> Tensor:
        """Images 0 .. 255 [B, C, H, W] -> float32 [B, channels, *size], channels last in memory."""
        if images.shape[-2:] != self.size:
            images = _fit(images, self.size)
        if images.shape[1] != self.channels:
            images = _convert_channels(images, self.channels)
        images = images.to(torch.float32, memory_format=torch.channels_last)
        return torch.addcmul(self.shift, images, self.scale)

    def denormalise(self, images: Tensor) -> Tensor:
        """What `normalise` gave, back to pixels in [0, 1] (to look at: nothing is clipped)."""
        return (images - self.shift) / (255 * self.scale)

    def extra_repr(self) -> str:
        """What print() shows."""
        return f"size={self.size}, channels={self.channels}, mean={self.mean}, std={self.std}"


def _checked_size(size: Sequence[int] | None, image_size: tuple[int, int]) -> tuple[int, int]:
    if size is None:
        return image_size
    if not isinstance(size, (tuple, list)) or len(size) != 2 or min(size) < 1:
        raise UserError(f"Inputs.size is {size!r}: it is a (height, width) pair, e.g. (32, 32).")
    height, width = int(size[0]), int(size[1])
    if 2 * image_size[0] < height or 2 * image_size[1] < width:
        raise UserError(
            f"Inputs.size is {(height, width)}, but the images are {image_size}, so that most "
            f"would be padding: bind FashionDataset.image_size = {(height, width)} or a "
            "smaller Inputs.size."
        )
    return height, width


def _statistic(
    name: str,
    bound: Any,
    measured: Sequence[float],
    imagenet: Sequence[float],
    channels: int,
) -> tuple[float, ...]:
    """Values per channel the encoder sees, converted as the pixels are where they differ."""
    values = measured if bound is None else imagenet if bound == "imagenet" else bound
    numeric = isinstance(values, (tuple, list)) and all(
        isinstance(value, (int, float)) and math.isfinite(value) for value in values
    )
    if numeric and len(values) == channels:
        return tuple(float(value) for value in values)
    if numeric and len(values) == 1:
        return tuple(float(value) for value in values) * channels
    if numeric and len(values) == 3 and channels == 1:
        return (sum(w * float(v) for w, v in zip(LUMINANCE, values, strict=True)),)
    raise UserError(
        f"Inputs.{name} is {bound!r}: bind 'imagenet' or {channels} number(s) in [0, 1], one a "
        "channel."
    )


def _fit(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Centre-crop what is larger, pad with 0 what is smaller."""
    tops = [(have - want) // 2 for have, want in zip(images.shape[-2:], size, strict=True)]
    images = images[
        ...,
        max(tops[0], 0) : max(tops[0], 0) + size[0],
        max(tops[1], 0) : max(tops[1], 0) + size[1],
    ]
    missing = [want - have for have, want in zip(images.shape[-2:], size, strict=True)]
    if not any(missing):
        return images
    up, left = missing[0] // 2, missing[1] // 2
    return F.pad(images, (left, missing[1] - left, up, missing[0] - up))


def _convert_channels(images: Tensor, channels: int) -> Tensor:
    have = images.shape[1]
    if have == 1:
        return images.expand(-1, channels, -1, -1)
    if have == 3 and channels == 1:
        weights = torch.tensor(LUMINANCE, device=images.device).view(1, 3, 1, 1)
        return (images * weights).sum(1, keepdim=True)
    raise UserError(
        f"images have {have} channels, but the encoder was built for {channels}: bind "
        f"FashionDataset.channels = {channels}."
    )
