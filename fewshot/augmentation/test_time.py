"""Test-time augmentation: a trained classifier's scores averaged over variants of an image."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def averaged(
    scores: Callable[[Tensor], Tensor], mirrored: bool, shift: int
) -> Callable[[Tensor], Tensor]:
    """The same function of images, its mean over the variants of each: itself when there are none.

    mirrored: with the left-right mirror image; shift: with the image moved by so many pixels up,
    down, left and right.
    """
    if not mirrored and shift == 0:
        return scores

    def mean(images: Tensor) -> Tensor:
        total = torch.stack([scores(variant) for variant in _variants(images, mirrored, shift)])
        return total.mean(dim=0)

    return mean


def _variants(images: Tensor, mirrored: bool, shift: int) -> Iterator[Tensor]:
    steps = [(0, 0)]
    if shift:
        steps += [(-shift, 0), (shift, 0), (0, -shift), (0, shift)]
    for down, right in steps:
        moved = _moved(_moved(images, down, 2), right, 3)
        yield moved
        if mirrored:
            yield moved.flip(-1)


def _moved(images: Tensor, pixels: int, axis: int) -> Tensor:
    """Moved along an axis, the border repeated where the image does not reach (for any dtype)."""
    if pixels == 0:
        return images
    size = images.shape[axis]
    places = (torch.arange(size, device=images.device) - pixels).clamp(0, size - 1)
    return images.index_select(axis, places)
