"""Thumbnails of many images in a few JPEGs that a page holds as text."""

import base64
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fewshot.errors import UserError
from fewshot.sections import Thumbnails

THUMBNAIL_HEIGHT = 40
ATLAS_COLUMNS = 50
ATLAS_TILES = 2_000  # a browser decodes only the atlases that are looked at
_QUALITY = 80
_SHOWN_HEIGHT = 64  # of thumbnails in a report


def thumbnail_size(height: int, width: int) -> tuple[int, int]:
    """(width, height) of the thumbnail of an image, at most 64 pixels high and 128 wide."""
    scale = min(1.0, _SHOWN_HEIGHT / height, 2 * _SHOWN_HEIGHT / width)
    return max(1, round(width * scale)), max(1, round(height * scale))


@contextmanager
def opened_sheet(path: Path) -> Iterator[Image.Image]:
    """A JPEG of thumbnails that a run has kept; raises UserError where it is damaged."""
    try:
        with Image.open(path, formats=("JPEG",)) as sheet:  # of others, some run programs
            yield sheet
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} is damaged ({error}): run the experiment again.") from None


class ThumbnailWriter:
    """Thumbnails of a report, tile by tile, for one JPEG; channels: 1 or 3."""

    def __init__(self, layout: Thumbnails, count: int, channels: int) -> None:
        self._layout = layout
        self._mode = "L" if channels == 1 else "RGB"
        columns = max(1, min(layout.columns, count))
        rows = max(1, math.ceil(count / layout.columns))
        size = (layout.width * columns, layout.height * rows)
        self._sheet = Image.new(self._mode, size, "white")

    def add(self, tile: int, pixels: npt.NDArray[np.uint8]) -> None:
        """Put an image uint8 [H, W, C] in its place."""
        layout = self._layout
        row, column = divmod(tile, layout.columns)
        image = _scaled(pixels, self._mode, layout.width, layout.height)
        self._sheet.paste(image, (column * layout.width, row * layout.height))

    def save(self, path: Path) -> None:
        """Write the JPEG."""
        self._sheet.save(path, "JPEG", quality=_QUALITY)


def sprite_atlases(images: npt.NDArray[np.uint8]) -> tuple[list[str], int, int]:
    """(data URIs, width, height): image i is tile i % 2000 of atlas i // 2000, row by row.

    images: uint8 [N, H, W, C], C = 1 or 3; thumbnails are width x height pixels, at most 40 high.
    """
    tall, wide = images.shape[1:3]
    height = min(THUMBNAIL_HEIGHT, tall)
    width = max(1, round(wide * height / tall))
    starts = range(0, len(images), ATLAS_TILES)
    return [_atlas(images[i : i + ATLAS_TILES], width, height) for i in starts], width, height


def _atlas(images: npt.NDArray[np.uint8], width: int, height: int) -> str:
    mode = "L" if images.shape[3] == 1 else "RGB"
    columns = min(ATLAS_COLUMNS, len(images))
    sheet = Image.new(mode, (width * columns, height * math.ceil(len(images) / ATLAS_COLUMNS)))
    for number, pixels in enumerate(images):
        tile = _scaled(pixels, mode, width, height)
        row, column = divmod(number, ATLAS_COLUMNS)
        sheet.paste(tile, (column * width, row * height))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _scaled(pixels: npt.NDArray[np.uint8], mode: str, width: int, height: int) -> Image.Image:
    tile = Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
    if tile.size == (width, height):
        return tile
    return tile.resize((width, height), Image.Resampling.BILINEAR)
