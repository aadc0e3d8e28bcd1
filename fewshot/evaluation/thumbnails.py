"""Small pictures of a run's images, each taken once from the data set, at most so many."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from fewshot.interfaces import Dataset
from fewshot.reports.atlas import ThumbnailWriter, thumbnail_size
from fewshot.sections import Thumbnails

COLUMNS = 40
_CHUNK = 256  # images in memory at a time


class Sheet:
    """The thumbnails that an evaluator's sections show, kept as one JPEG.

    name: the file's. limit: how many there are at most; what is asked for beyond has no tile.
    """

    def __init__(self, name: str, datasets: Mapping[str, Dataset], limit: int) -> None:
        self.name = name
        self.limit = limit
        self._datasets = datasets
        self._tiles: dict[tuple[str, int], int] = {}

    def tiles(self, split: str, rows: Iterable[int]) -> list[int | None]:
        """The tile of each row of a split, None beyond the limit."""
        found = []
        for row in rows:
            key = (split, int(row))
            if key not in self._tiles and len(self._tiles) < self.limit:
                self._tiles[key] = len(self._tiles)
            found.append(self._tiles.get(key))
        return found

    @property
    def thumbnails(self) -> Thumbnails:
        """How the tiles lie."""
        dataset = next(iter(self._datasets.values()))
        return Thumbnails(self.name, *thumbnail_size(*dataset.image_size), COLUMNS)

    def write(self, path: Path) -> None:
        """Write all that were asked for."""
        places = list(self._tiles)
        writer = ThumbnailWriter(self.thumbnails, len(places), self._channels())
        for split, dataset in self._datasets.items():
            mine = [place for place in places if place[0] == split]
            for start in range(0, len(mine), _CHUNK):
                part = mine[start : start + _CHUNK]
                self._add(writer, dataset, part)
        writer.save(path)

    def _add(
        self, writer: ThumbnailWriter, dataset: Dataset, places: Sequence[tuple[str, int]]
    ) -> None:
        rows = np.array([row for _, row in places], dtype=np.int64)
        images = dataset.images(rows).permute(0, 2, 3, 1).cpu().numpy()
        for place, pixels in zip(places, images, strict=True):
            writer.add(self._tiles[place], pixels)

    def _channels(self) -> int:
        return next(iter(self._datasets.values())).channels
