"""Thumbnails that runs have kept, brought together in one JPEG of another page."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fewshot.reports.atlas import ThumbnailWriter, opened_sheet
from fewshot.reports.contents import RunFiles
from fewshot.sections import Matrix, Thumbnails

_COLUMNS = 40


class KeptThumbnails:
    """A run's thumbnails of test images, by id."""

    def __init__(self, run: RunFiles) -> None:
        self.layout: Thumbnails | None = None
        self._tiles: dict[str, int] = {}
        self._path = Path()
        for section in run.said or ():
            for block in section.blocks:
                if isinstance(block, Matrix) and self.layout is None:
                    self.layout = block.shown.thumbnails
                    self._path = run.folder / self.layout.name
                    known = block.shown.frame.dropna(subset="tile")
                    self._tiles = dict(zip(known["id"], known["tile"].astype(int), strict=True))

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._tiles and self._path.is_file()

    def pixels(self, image_id: str) -> npt.NDArray[np.uint8]:
        """uint8 [H, W, 3]; raises UserError where the file is damaged."""
        assert self.layout is not None
        row, column = divmod(self._tiles[image_id], self.layout.columns)
        left, top = column * self.layout.width, row * self.layout.height
        tile = self._sheet.crop((left, top, left + self.layout.width, top + self.layout.height))
        return np.asarray(tile, dtype=np.uint8)

    @cached_property
    def _sheet(self) -> Image.Image:
        with opened_sheet(self._path) as sheet:
            return sheet.convert("RGB")


def gathered(runs: Sequence[KeptThumbnails], ids: Sequence[str], path: Path) -> Thumbnails:
    """Write one JPEG in which tile i is image i, from the first run that has it."""
    held = [next(run for run in runs if image_id in run) for image_id in ids]
    first = held[0].layout
    assert first is not None
    layout = Thumbnails(path.name, first.width, first.height, _COLUMNS)
    writer = ThumbnailWriter(layout, len(ids), channels=3)
    for tile, (run, image_id) in enumerate(zip(held, ids, strict=True)):
        writer.add(tile, run.pixels(image_id))
    writer.save(path)
    return layout
