"""Pairs of pictures side by side on one image, for a look at what an audit found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

COLUMNS = 6
SIDE = 96  # pixels of the square that a picture is fitted into
LINE, LETTER = 12, 9  # pixels of a line of text, and of a letter in it
GAP = 10

# (font file, text) of a line, one after the other
Pieces = Callable[[str], Sequence[tuple[str, str]]]


@dataclass(frozen=True)
class Pair:
    """Two pictures and the lines of text below them."""

    first: Image.Image
    second: Image.Image
    lines: Sequence[str]


def write_sheet(pairs: Sequence[Pair], path: Path, pieces: Pieces) -> None:
    """Write the pairs as PNG, six a row; raises OSError where the path cannot be written.

    pieces: which font draws which part of a line, such as `reports.fonts.pieces`.
    """
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
            _write(draw, pieces(line), (left, top + SIDE + 2 + place * LINE), width)
    sheet.save(path, format="PNG")


def _paste(sheet: Image.Image, picture: Image.Image, left: int, top: int) -> None:
    scale = min(SIDE / picture.width, SIDE / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    scaled = picture.convert("RGB").resize(size)
    sheet.paste(scaled, (left + (SIDE - size[0]) // 2, top + (SIDE - size[1]) // 2))


def _write(
    draw: ImageDraw.ImageDraw, line: Sequence[tuple[str, str]], place: tuple[int, int], width: int
) -> None:
    """Draw as much of the line as has room."""
    left, top = place
    end: float = left
    for file, piece in line:
        font = ImageFont.truetype(file, LETTER)
        room = left + width - end
        most = next((n for n in range(len(piece), 0, -1) if font.getlength(piece[:n]) <= room), 0)
        draw.text((end, top), piece[:most], font=font, fill="black")
        end += font.getlength(piece[:most])
        if most < len(piece):
            return
