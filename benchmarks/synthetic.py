"""A data set of random pixels, packed like any other, for timings that depend on no download."""

from pathlib import Path

import numpy as np
import pandas as pd

from fewshot.data.dataset import FashionDataset
from fewshot.data.importers.writing import write_array


def synthetic_dataset(
    place: Path, rows: int, size: tuple[int, int], channels: int, classes: int = 10
) -> FashionDataset:
    """`rows` random images of `classes` classes in `place`, opened as a FashionDataset."""
    shape = (rows, *size) if channels == 1 else (rows, *size, channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    ids = [str(number) for number in range(rows)]
    write_array(place, ids, images)
    labels = [f"class {number % classes}" for number in range(rows)]
    pd.DataFrame({"id": ids, "articleType": labels}).to_csv(place / "train.csv", index=False)
    return FashionDataset(
        place / "train.csv",
        place,
        image_size=size,
        channels=channels,
        cache_dir=place / "cache",
    )
