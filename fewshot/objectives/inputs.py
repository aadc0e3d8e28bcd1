"""From stored pixels to what an encoder sees: augmentation and normalisation of whole batches."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import gin
from torch import Tensor

from fewshot.batch import DataSpec
from fewshot.errors import UserError
from fewshot.models.normalisation import LUMINANCE, Normalisation
from fewshot.seeding import KeyedRandom

Transform = Callable[[Tensor, KeyedRandom], Tensor]
Statistic = Sequence[float] | Literal["imagenet"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_SMALLEST_STD = 1 / 255  # of a constant channel, which would otherwise divide by zero


@gin.register
class Inputs(Normalisation):
    """Augments stored pixels and normalises them to the encoder's size, channels and scale.

    augment: a factory of a transform or a list of them, applied in order, each with its own
    stream of draws (none by default). size: (height, width) the encoder sees, by default that of
    the data; larger images are cropped at the centre, smaller ones padded with 0 (black, the
    background of Fashion-MNIST). channels: 1 or 3, by default those of the data; grey is
    replicated, RGB becomes BT.601 luminance. mean, std: in [0, 1], a value a channel, or
    'imagenet'; by default those of the training pixels. Raises UserError for what cannot fit.
    """

    def __init__(
        self,
        spec: DataSpec,
        augment: Callable[[], Transform] | Sequence[Callable[[], Transform]] | None = None,
        size: Sequence[int] | None = None,
        channels: int | None = None,
        mean: Statistic | None = None,
        std: Statistic | None = None,
    ) -> None:
        channels = spec.channels if channels is None else channels
        if channels != spec.channels and {channels, spec.channels} != {1, 3}:
            raise UserError(
                f"Inputs.channels is {channels}, but the images have {spec.channels}: only "
                "grey to RGB (3) and RGB to grey (1) can be converted."
            )
        means = _statistic("mean", mean, spec.mean, IMAGENET_MEAN, channels)
        stds = _statistic("std", std, _measured_std(spec, channels), IMAGENET_STD, channels)
        if std is not None and min(stds) <= 0:
            raise UserError(f"Inputs.std is {stds}: every value must be above 0.")
        stds = tuple(max(value, _SMALLEST_STD) for value in stds)
        super().__init__(_checked_size(size, spec.image_size), channels, means, stds)
        self.transforms = _built(augment)

    def augment(self, images: Tensor, keys: Tensor) -> Tensor:
        """Images 0 .. 255 [B, C, H, W], each changed by draws from its own row of keys [B, K].

        Raises UserError where a transform changes their size to another than the encoder's.
        """
        if not self.transforms:
            return images
        random, stored = KeyedRandom(keys), images.shape[-2:]
        for number, transform in enumerate(self.transforms):
            images = transform(images, random.fold(number))
        if images.shape[-2:] not in (stored, self.size):
            names = ", ".join(type(transform).__name__ for transform in self.transforms)
            raise UserError(
                f"Inputs.augment ({names}) makes images of {tuple(images.shape[-2:])} out of "
                f"{tuple(stored)}, but the encoder sees {self.size}: bind the transform's size to "
                f"{self.size}, or Inputs.size to what it gives."
            )
        return images


def _built(augment: Any) -> list[Transform]:
    factories = [augment] if callable(augment) or isinstance(augment, str) else augment or ()
    if not isinstance(factories, (tuple, list)) or not all(callable(made) for made in factories):
        raise UserError(
            f"Inputs.augment is {augment!r}: bind transforms without parentheses, e.g. "
            "Inputs.augment = [@RandomCrop, @HorizontalFlip]."
        )
    return [factory() for factory in factories]


def _measured_std(spec: DataSpec, channels: int) -> tuple[float, ...]:
    """The std of the training pixels as the encoder sees them, of their luminance for grey."""
    if channels == 1 and spec.channels == 3 and spec.covariance:
        rows = zip(LUMINANCE, spec.covariance, strict=True)
        variance = sum(w * v * c for w, row in rows for v, c in zip(LUMINANCE, row, strict=True))
        return (math.sqrt(max(variance, 0.0)),)
    return spec.std


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
    """Values per channel the encoder sees, converted as the pixels are where they differ.

    Three stds bound for grey inputs become their weighted mean, which is exact where the channels
    move together.
    """
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
