"""A data set of random pixels, packed like any other, for timings that depend on no download."""

from pathlib import Path

import numpy as np

from fewshot.data.dataset import FashionDataset
from fewshot.data.importers.writing import write_arrays


def synthetic_dataset(
    place: Path, rows: int, size: tuple[int, int], channels: int, classes: int = 10
) -> FashionDataset:
    """`rows` random images of `classes` classes in `place`, opened as a FashionDataset."""
    shape = (rows, *size) if channels == 1 else (rows, *size, channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    raise NotImplementedError
