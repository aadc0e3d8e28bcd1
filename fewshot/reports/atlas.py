"""Thumbnails of many images in a few JPEGs that a page holds as text."""

import base64
import io
import math

import numpy as np
import numpy.typing as npt
from PIL import Image

THUMBNAIL_HEIGHT = 40
ATLAS_COLUMNS = 50
ATLAS_TILES = 2_000  # a browser decodes only the atlases that are looked at
_QUALITY = 80


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
        tile = Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
        if tile.size != (width, height):
            tile = tile.resize((width, height), Image.Resampling.BILINEAR)
        row, column = divmod(number, ATLAS_COLUMNS)
        sheet.paste(tile, (column * width, row * height))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
