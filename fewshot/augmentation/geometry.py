"""Augmentations that move pixels and interpolate: resized crop, rotation, affine."""

from collections.abc import Sequence

import gin
import torch
from torch import Tensor

from fewshot.augmentation.random_boxes import random_boxes
from fewshot.augmentation.resampling import affine_inverse, resize_weights, separable, warp
from fewshot.augmentation.transforms import check_fill, check_range
from fewshot.errors import UserError
from fewshot.seeding import KeyedRandom


@gin.register
class RandomResizedCrop:
    """A box of random area and aspect ratio, resized (https://arxiv.org/abs/1409.4842).

    size: (height, width) of the result, by default the image's own; scale: range of the box's share
    of the image area; ratio: range of width / height, drawn log-uniformly among the ratios that fit
    into the image. Antialiased bilinear.
    """

    def __init__(
        self,
        size: tuple[int, int] | None = None,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
    ) -> None:
        self.size = size
        self.scale = check_range("RandomResizedCrop.scale", scale, 1e-4, 1)
        self.ratio = check_range("RandomResizedCrop.ratio", ratio, 1e-2)

    def __call__(self, images: Tensor, random: KeyedRandom) -> Tensor:
        """[B, C, H, W] -> float32 [B, C, *size]."""
        height, width = images.shape[2], images.shape[3]
        new_height, new_width = self.size or (height, width)
        box = random_boxes(random, self.scale, self.ratio, height, width)
        rows = resize_weights(box.top.float(), box.height.float(), height, new_height)
        columns = resize_weights(box.left.float(), box.width.float(), width, new_width)
        return separable(images, rows, columns)


@gin.register
class RandomRotation:
    """Rotation about the centre by an angle drawn from [-degrees, degrees); corners are `fill`."""

    def __init__(self, degrees: float = 15, fill: float = 0) -> None:
        self.degrees = _at_least_0("RandomRotation.degrees", degrees)
        self.fill = check_fill("RandomRotation.fill", fill)

    def __call__(self, images: Tensor, random: KeyedRandom) -> Tensor:
        """[B, C, H, W] -> float32 of the same shape."""
        angle = random.uniform(-self.degrees, self.degrees)
        still, same = torch.zeros_like(angle), torch.ones_like(angle)
        return warp(images, affine_inverse(angle, still, still, same, still), self.fill)


@gin.register
class RandomAffine:
    """Rotation, shift, scaling and horizontal shear about the centre, in one resampling.

    degrees, shear: the angle is drawn from [-degrees, degrees), the shear likewise; translate: the
    largest shift as a share of the image's width and height; scale: range of the factor, drawn
    uniformly; fill: value outside the image, 0 .. 255.
    """

    def __init__(
        self,
        degrees: float = 15,
        translate: float = 0.1,
        scale: Sequence[float] = (0.9, 1.1),
        shear: float = 10,
        fill: float = 0,
    ) -> None:
        self.degrees = _at_least_0("RandomAffine.degrees", degrees)
        self.translate = _at_least_0("RandomAffine.translate", translate)
        self.scale = check_range("RandomAffine.scale", scale, 1e-2)
        self.shear = _at_least_0("RandomAffine.shear", shear)
        if self.shear >= 90:
            raise UserError(f"RandomAffine.shear is {shear}: bind less than 90 degrees.")
        self.fill = check_fill("RandomAffine.fill", fill)

    def __call__(self, images: Tensor, random: KeyedRandom) -> Tensor:
        """[B, C, H, W] -> float32 of the same shape."""
        inverse = affine_inverse(
            angle=random.uniform(-self.degrees, self.degrees),
            shift_x=random.uniform(-self.translate, self.translate) * images.shape[3],
            shift_y=random.uniform(-self.translate, self.translate) * images.shape[2],
            scale=random.uniform(*self.scale),
            shear=random.uniform(-self.shear, self.shear),
        )
        return warp(images, inverse, self.fill)


def _at_least_0(name: str, value: float) -> float:
    if value < 0:
        raise UserError(f"{name} is {value}: bind 0 or more.")
    return value
