"""Pictures of more than 8 bits a channel, brought to 8 by what they hold.

Cameras and scanners put 10, 12 or 14 bits into files of 16, and no file says so: a picture is
scaled by the smallest of these depths that holds its largest value, which leaves that at a quarter
of white or more. So none turns black, and pictures of one depth that reach its upper half are
scaled alike; a dim one is brightened.
"""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RANGES = (255, 1023, 4095, 16383, 65535)  # of 8, 10, 12, 14 and 16 bits
FLOAT_RANGES = (1, 4, 16, 64)  # and those of whole numbers: floats have no depth

_STRIP_PIXELS = 1 << 20  # handled at a time, so that a large picture is never there twice as floats
_UPPER = RANGES[-2] >> 8  # the largest upper byte of what fewer than 16 bits hold
_OTHER_END = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_BITS_PER_SAMPLE = 258
_REMEDY = "save it with 8 bits a channel, or as a PNG"


class UnsupportedPictureError(ValueError):
    """A file that is a picture, but not one to decode; the text says why."""


def strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """(its first row, some rows of the picture), one after the other."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def shallow(image: Image.Image) -> Image.Image:
    """A grey picture of whole numbers or floats in 8 bits; UnsupportedPictureError if out of range.

    Floats up to 1, 4, 16 and 64 are scaled by these.
    """
    lowest, highest = np.inf, -np.inf
    for _, strip in strips(image):
        values: NDArray[Any] = np.asarray(strip)
        lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
        if not np.isfinite((lowest, highest)).all():
            raise UnsupportedPictureError("its pixels are not all finite numbers")
    if lowest < 0 or highest > RANGES[-1]:
        raise UnsupportedPictureError(
            f"its pixels go from {lowest:g} to {highest:g}: 0 to {RANGES[-1]} can be read"
        )
    scale = _range_of(highest, (*FLOAT_RANGES, *RANGES) if image.mode == "F" else RANGES)
    flat = Image.new("L", image.size)
    for top, strip in strips(image):
        flat.paste(Image.fromarray(_levels(np.asarray(strip), scale)), (0, top))
    return flat


def spread(image: Image.Image, source: Path | IO[bytes]) -> None:
    """Scale the colours of an opened picture of 16 bits, in place, where fewer are used.

    Pillow keeps the upper byte of each value, which is right where all 16 bits are used: then
    nothing is changed. Raises UnsupportedPictureError where the lower bytes cannot be had.
    """
    kind = _raw_mode(image)
    if kind is None:
        return
    image.load()
    extrema: Any = image.getextrema()
    # a PPM's values are rounded, not cut
    if max(high for _, high in extrema[:3]) > _UPPER + (image.format == "PPM"):
        return
    image.info.pop("transparency", None)  # a colour of 16 bits
    highest = np.zeros(4, np.int64)
    for _, values in _values(image, source, kind):
        found = values.max((0, 1))
        highest[: len(found)] = np.maximum(highest[: len(found)], found)
    scale = _range_of(float(highest[:3].max()), RANGES)
    opaque = scale if highest[3] <= scale else RANGES[-1]
    for top, values in _values(image, source, kind):
        levels = np.concatenate(
            (_levels(values[..., :3], scale), _levels(values[..., 3:], opaque)), axis=-1
        )
        image.paste(Image.fromarray(levels), (0, top))


def _range_of(highest: float, ranges: tuple[int, ...]) -> int:
    return next(most for most in ranges if highest <= most)


def _levels(values: NDArray[Any], scale: int) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.rint(values.astype(np.float32) * (255 / scale)).astype(np.uint8)
    return levels


def _raw_mode(image: Any) -> str | None:
    """How a colour picture of 16 bits is stored, such as RGB;16B; None for all others."""
    if image.mode not in ("RGB", "RGBA"):
        return None
    # what Pillow's decoder is told of each tile: the raw mode alone, or first
    told = [tile.args if isinstance(tile.args, tuple) else (tile.args,) for tile in image.tile]
    if image.format == "PPM":  # (mode, the largest value): fewer bits are scaled by that
        return next((tile.codec_name for tile in image.tile if told[0][-1] == RANGES[-1]), None)
    kinds = {str(first) for first, *_ in told}
    if len(kinds) == 1 and ";16" in next(iter(kinds)):
        return kinds.pop()
    if image.format == "TIFF" and 16 in image.tag_v2.get(_BITS_PER_SAMPLE, ()):
        raise UnsupportedPictureError(f"its 16 bits are stored plane by plane: {_REMEDY}")
    return None


def _values(
    image: Image.Image, source: Path | IO[bytes], kind: str
) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    """(first row, uint16 [rows, W, C]) of the whole values, strip by strip."""
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
        file.seek(0)
        again: Any = Image.open(file, formats=(str(image.format),))
        if kind == "ppm":
            yield from _of_ppm(again, file)
        elif kind == "LA;16B":
            again.tile = [tile._replace(args="RGBA") for tile in again.tile]  # two bytes each
            for top, strip in strips(again):
                grey, alpha = np.moveaxis(np.asarray(strip).view(">u2").astype(np.uint16), -1, 0)
                yield top, np.stack((grey, grey, grey, alpha), axis=-1)
        elif kind.partition(";")[0] in ("RGB", "RGBX", "RGBA"):
            lower = kind[:-1] + _OTHER_END[kind[-1]]
            again.tile = [tile._replace(args=_with(tile.args, lower)) for tile in again.tile]
            for (top, high), (_, low) in zip(strips(image), strips(again), strict=True):
                yield top, np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)
        else:
            used = _UPPER.bit_length() + 8
            raise UnsupportedPictureError(f"it uses {used} of its 16 bits a colour: {_REMEDY}")


def _with(args: Any, raw_mode: str) -> Any:
    return (raw_mode, *args[1:]) if isinstance(args, tuple) else raw_mode


def _of_ppm(again: Any, file: IO[bytes]) -> Iterator[tuple[int, NDArray[np.uint16]]]:
    width, height = again.size
    rows = max(1, _STRIP_PIXELS // width)
    file.seek(again.tile[0].offset)
    for top in range(0, height, rows):
        count = min(rows, height - top) * width * 3
        values = np.frombuffer(file.read(2 * count), ">u2", count)
        yield top, values.reshape(-1, width, 3).astype(np.uint16)
