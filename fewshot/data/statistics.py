"""Mean and spread of each channel over a data set's images."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from fewshot.batch import IntArray

CHUNK = 1024


def channel_statistics(
    images: Callable[[IntArray], Tensor], rows: int, most: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) of each channel in [0, 1], over at most `most` evenly spaced rows, at least one.

    images: row indices -> uint8 [n, C, H, W]; rows: how many there are. A std is at least 1/255, so
    that constant images can be normalised.
    """
    histogram = torch.zeros(0, 256, dtype=torch.float64)
    for start, batch in enumerate(_chunks(images, rows, most)):
        counts = [channel.flatten().bincount(minlength=256) for channel in batch.unbind(1)]
        found = torch.stack(counts).double()
        histogram = found if start == 0 else histogram + found
    share = histogram / histogram.sum(dim=1, keepdim=True).clamp(min=1)
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = share @ values
    variance = (share * (values - mean[:, None]) ** 2).sum(dim=1)
    return tuple(mean.tolist()), tuple(variance.sqrt().clamp(min=1 / 255).tolist())


def channel_covariance(
    images: Callable[[IntArray], Tensor], rows: int, most: int
) -> tuple[tuple[float, ...], ...]:
    """Covariance [C][C] of the channels in [0, 1], over the rows of `channel_statistics`."""
    count, total, products = 0, torch.zeros(()), torch.zeros(())
    for batch in _chunks(images, rows, most):
        pixels = batch.transpose(0, 1).flatten(1).double()
        count += pixels.shape[1]
        total = total + pixels.sum(1)
        products = products + pixels @ pixels.T
    mean = total / count
    found = (products / count - torch.outer(mean, mean)) / 255**2
    return tuple(tuple(row) for row in found.tolist())


def _chunks(images: Callable[[IntArray], Tensor], rows: int, most: int) -> Iterator[Tensor]:
    count = min(rows, most)
    chosen = np.arange(count, dtype=np.int64) * rows // max(count, 1)
    for start in range(0, count, CHUNK):
        yield images(chosen[start : start + CHUNK])
