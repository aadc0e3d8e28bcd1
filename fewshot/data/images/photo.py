"""Opening photographs: only formats that photos have, no more pixels than memory has room for."""

import contextlib
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Pillow knows forty formats more, among them PostScript, which it hands to an interpreter.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")
SUFFIXES = (
    *(".jpg", ".png", ".jpeg", ".jfif", ".jpe", ".webp", ".avif", ".bmp", ".gif"),
    *(".tif", ".tiff", ".ppm"),
)
MOST_PIXELS = 80_000_000  # of one picture, as decoded: below Pillow's own bound, so ours speaks
MANY_PIXELS = 16_000_000  # beyond it pictures are decoded one at a time
MOST_BYTES = 1 << 30
RANGES = (255, 4095, 65535)  # of 8, 12 and 16 bits
WHITE = 255

_STRIP_PIXELS = 1 << 20  # handled at a time, so that a large picture is never there twice as floats
_ALONE = threading.Lock()

# A picture that Pillow warns of is refused here, with a reason.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class UnsupportedPictureError(ValueError):
    """A file that is a picture, but not one to decode; the text says why."""


@contextlib.contextmanager
def open_photo(source: Path | IO[bytes], side: int | None = None) -> Iterator[Image.Image]:
    """The opened picture, its pixels counted but not yet decoded.

    side: where given, a JPEG is decoded at the smallest scale that keeps its sides at least so
    long. Raises UnsupportedPictureError for too many pixels, and what Pillow raises for a file it
    cannot read.
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
        if pixels > MOST_PIXELS:
            raise UnsupportedPictureError(
                f"{image.width} x {image.height} pixels are more than the {MOST_PIXELS:,} allowed"
            )
        # A progressive JPEG is there whole before it is scaled down.
        held = whole if image.info.get("progressive") else pixels
        with _ALONE if held > MANY_PIXELS else contextlib.nullcontext():
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

    Deeper ones (16 bits, whole numbers, floats) are scaled by the smallest range that holds their
    largest value: 0 to 1 (floats only), 255, 4095 or 65535. Raises UnsupportedPictureError for
    values outside of these.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return _shallow(image)
    if image.has_transparency_data:
        return _on_white(image)
    return image


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _on_white(image: Image.Image) -> Image.Image:
    flat = Image.new("RGB", image.size)
    for top, strip in _strips(image):
        layered = strip.convert("RGBA")
        canvas = Image.new("RGBA", layered.size, (WHITE, WHITE, WHITE, WHITE))
        flat.paste(Image.alpha_composite(canvas, layered).convert("RGB"), (0, top))
    return flat


def _shallow(image: Image.Image) -> Image.Image:
    lowest, highest = np.inf, -np.inf
    for _, strip in _strips(image):
        values: NDArray[Any] = np.asarray(strip)
        lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
        if not np.isfinite((lowest, highest)).all():
            raise UnsupportedPictureError("its pixels are not all finite numbers")
    ranges = (1, *RANGES) if image.mode == "F" else RANGES
    scale = next((r for r in ranges if highest <= r), None)
    if lowest < 0 or scale is None:
        raise UnsupportedPictureError(
            f"its pixels go from {lowest:g} to {highest:g}: 0 to {RANGES[-1]} can be read"
        )
    flat = Image.new("L", image.size)
    for top, strip in _strips(image):
        levels = np.rint(np.asarray(strip).astype(np.float32) * (255 / scale))
        flat.paste(Image.fromarray(levels.astype(np.uint8)), (0, top))
    return flat
