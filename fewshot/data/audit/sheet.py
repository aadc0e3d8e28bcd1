"""Pairs of pictures side by side on one image, for a look at what an audit found."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

COLUMNS = 6
SIDE = 96  # pixels of the square that a picture is fitted into
LINE = 12  # pixels of a line of text
GAP = 10


@dataclass(frozen=True)
class Pair:
    """Two pictures and the lines of text below them."""

    first: Image.Image
    second: Image.Image
    lines: Sequence[str]


def write_sheet(pairs: Sequence[Pair], path: Path) -> None:
    """Write the pairs as PNG, six a row; raises OSError where the path cannot be written."""
    texts = max((len(pair.lines) for pair in pairs), default=0)
    width, height = 2 * SIDE + GAP, SIDE + texts * LINE + GAP
    rows = -(-len(pairs) // COLUMNS)
    size = (min(COLUMNS, len(pairs)) * (width + GAP) + GAP, rows * (height + GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for number, pair in enumerate(pairs):
        left = GAP + number % COLUMNS * (width + GAP)
        top = GAP + number // COLUMNS * (height + GAP)
        for place, picture in enumerate((pair.first, pair.second)):
            _paste(sheet, picture, left + place * (SIDE + GAP // 2), top)
        for place, line in enumerate(pair.lines):
            draw.text((left, top + SIDE + 2 + place * LINE), line[: width // 6], fill="black")
    sheet.save(path, format="PNG")


def _paste(sheet: Image.Image, picture: Image.Image, left: int, top: int) -> None:
    scale = min(SIDE / picture.width, SIDE / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    scaled = picture.convert("RGB").resize(size)
    sheet.paste(scaled, (left + (SIDE - size[0]) // 2, top + (SIDE - size[1]) // 2))
