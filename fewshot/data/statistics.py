"""Mean and spread of each channel over a data set's images."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fewshot.interfaces import IntArray

CHUNK = 1024


def channel_statistics(
    images: Callable[[IntArray], Tensor], rows: int, most: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(mean, std) of each channel in [0, 1], over at most `most` evenly spaced rows, at least one.

    images: row indices -> uint8 [n, C, H, W]; rows: how many there are. A std is at least 1/255, so
    that constant images can be normalised.
    """
    count = min(rows, most)
    chosen = np.arange(count, dtype=np.int64) * rows // max(count, 1)
    histogram = torch.zeros(0, 256, dtype=torch.float64)
    for start in range(0, count, CHUNK):
        batch = images(chosen[start : start + CHUNK])
        counts = [channel.flatten().bincount(minlength=256) for channel in batch.unbind(1)]
        found = torch.stack(counts).double()
        histogram = found if start == 0 else histogram + found
    share = histogram / histogram.sum(dim=1, keepdim=True).clamp(min=1)
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = share @ values
    variance = (share * (values - mean[:, None]) ** 2).sum(dim=1)
    return tuple(mean.tolist()), tuple(variance.sqrt().clamp(min=1 / 255).tolist())
