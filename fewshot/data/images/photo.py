"""Opening photographs: only formats that photos have, no more pixels than memory has room for."""

import contextlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from PIL import Image

from fewshot.data.images.depth import UnsupportedPictureError, shallow, spread, strips

# Pillow knows forty formats more, among them PostScript, which it hands to an interpreter.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
SUFFIXES = (
    *(".jpg", ".png", ".jpeg", ".jfif", ".jpe", ".webp", ".avif", ".bmp", ".gif"),
    *(".tif", ".tiff", ".ppm"),
)
MOST_PIXELS = 80_000_000  # of one picture, as decoded: below Pillow's own bound, so ours speaks
MANY_PIXELS = 16_000_000  # beyond it pictures are decoded one at a time
MOST_BYTES = 1 << 30
WHITE = 255

_alone: AbstractContextManager[Any] = threading.Lock()

# A picture that Pillow warns of is refused here, with a reason.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def take_turns(lock: AbstractContextManager[Any]) -> None:
    """Decode pictures of many pixels under this lock, which other processes hold as well."""
    global _alone
    _alone = lock


@contextlib.contextmanager
def open_photo(
    source: Path | IO[bytes], side: int | None = None, most: int = MOST_PIXELS
) -> Iterator[Image.Image]:
    """The opened picture, its pixels counted but decoded only if its colours have 16 bits.

    side: where given, a JPEG is decoded at the smallest scale that keeps its sides at least so
    long; most: pixels. Raises UnsupportedPictureError for more, for 16 bits that cannot be read
    (see `depth.spread`), and what Pillow raises for a file it cannot read.
    """
    try:
        image = Image.open(source, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnsupportedPictureError(f"more pixels than the {MOST_PIXELS:,} allowed") from error
    with image:
        whole = image.width * image.height
        if side is not None:
            image.draft(None, (side, side))
        pixels = image.width * image.height
        if pixels > most:
            raise UnsupportedPictureError(
                f"{image.width} x {image.height} pixels are more than the {most:,} allowed"
            )
        # A progressive JPEG is there whole before it is scaled down.
        held = whole if image.info.get("progressive") else pixels
        with _alone if held > MANY_PIXELS else contextlib.nullcontext():
            spread(image, source)
            yield image


def is_photo(path: Path) -> bool:
    """Whether the file's content begins as a picture's does, whatever its name."""
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except Exception:  # Pillow raises many kinds for bytes that are none of its formats
        return False


def flatten(image: Image.Image) -> Image.Image:
    """The picture in 8 bits a channel and without transparency, which is laid on white.

    Deeper greys (16 bits, whole numbers, floats) are scaled as `depth.shallow` says. Raises
    UnsupportedPictureError for values outside of 0 to 65535.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return shallow(image)
    if image.has_transparency_data:
        return _on_white(image)
    return image


def _on_white(image: Image.Image) -> Image.Image:
    flat = Image.new("RGB", image.size)
    for top, strip in strips(image):
        layered = strip.convert("RGBA")
        canvas = Image.new("RGBA", layered.size, (WHITE, WHITE, WHITE, WHITE))
        flat.paste(Image.alpha_composite(canvas, layered).convert("RGB"), (0, top))
    return flat
