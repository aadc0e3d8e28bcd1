"""Image files to arrays of one shape: orientation, colour, size."""

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from fewshot.data.images.photo import MOST_BYTES, WHITE, flatten, open_photo
from fewshot.data.images.plain_jpeg import small_jpeg
from fewshot.errors import UserError

UInt8Array = NDArray[np.uint8]

RESIZE_RULES = ("stretch", "pad")
LARGEST_SIDE = 4096
_ITEM_SIDE = 480  # pixels of a photo's longer side in which an item is looked for


@dataclass(frozen=True)
class ImageFormat:
    """What every packed image looks like.

    size: (height, width) in pixels; channels: 1 (grey) or 3 (RGB); resize: 'stretch' ignores the
    aspect ratio, 'pad' keeps it and fills up with white on both sides. items_on_black: photos are
    turned into one grey item on black, see on_black.py; packs never are.
    """

    size: tuple[int, int]
    channels: int
    resize: str
    items_on_black: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return (self.channels, *self.size)

    @property
    def nbytes(self) -> int:
        """Bytes of one image."""
        return self.channels * self.size[0] * self.size[1]


def image_format(size: object, channels: object, resize: object) -> ImageFormat:
    """The checked format; raises UserError that names the binding and the value found."""
    sides = tuple(size) if isinstance(size, Sequence) and not isinstance(size, str) else ()
    if len(sides) != 2 or not all(type(s) is int and 1 <= s <= LARGEST_SIDE for s in sides):
        raise UserError(
            f"FashionDataset.image_size is {size!r}: give (height, width), two whole numbers "
            f"from 1 to {LARGEST_SIDE}, e.g. (64, 48)."
        )
    if type(channels) is not int or channels not in (1, 3):
        raise UserError(f"FashionDataset.channels is {channels!r}: give 1 (grey) or 3 (RGB).")
    if resize not in RESIZE_RULES:
        raise UserError(
            f"FashionDataset.resize is {resize!r}: give 'stretch' (ignore the aspect ratio) or "
            f"'pad' (keep it, fill up with white)."
        )
    return ImageFormat((sides[0], sides[1]), channels, str(resize))


def file_stamp(name: str, status: os.stat_result) -> str:
    """What changes when the file does: its name, bytes and time of modification."""
    return f"{name} {status.st_size} {status.st_mtime_ns}"


def read_file(path: str | Path) -> Image.Image:
    """One image file in its own size, RGB: upright, transparency on white, nothing resized.

    Raises as `decode_file` does.
    """
    with open_photo(io.BytesIO(_content(path))) as image:
        ImageOps.exif_transpose(image, in_place=True)
        return flatten(image).convert("RGB")


def decode_file(path: str | Path, wanted: ImageFormat) -> UInt8Array:
    """One image file -> uint8 [C, H, W].

    Honours EXIF orientation, lays transparency on white. Raises whatever Pillow raises for a file
    it cannot read, and ValueError for an empty one or one of too many pixels.
    """
    # Lets JPEG skip most of the work on large photographs; twice the size is kept for the resize
    # filter, and of the larger side because the picture may lie rotated.
    side = _ITEM_SIDE if wanted.items_on_black else 2 * max(wanted.size)
    content = _content(path)
    plain = None if wanted.items_on_black else small_jpeg(content, side)
    if plain is not None:
        return _pixels(plain, wanted)
    with open_photo(io.BytesIO(content), side) as image:
        ImageOps.exif_transpose(image, in_place=True)
        return convert(image, wanted)


def _content(path: str | Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)  # a file object takes longer to make than to read from
    try:
        size = os.fstat(descriptor).st_size
        if size > MOST_BYTES:
            raise ValueError(f"a file of {size:,} bytes is more than the {MOST_BYTES:,} allowed")
        content = os.read(descriptor, size + 1)
        while len(content) != size and (more := os.read(descriptor, MOST_BYTES)):
            content += more  # it grows meanwhile, or is read in parts
    finally:
        os.close(descriptor)
    if not content:
        raise ValueError("the file is empty")
    return content


def convert(image: Image.Image, wanted: ImageFormat) -> UInt8Array:
    """One picture of any mode and size -> uint8 [C, H, W], bilinear with antialiasing."""
    if wanted.items_on_black:
        from fewshot.data.images.on_black import is_on_black, photo_on_black  # scipy takes a second

        rgb = flatten(image).convert("RGB")
        rgb.thumbnail((_ITEM_SIDE, _ITEM_SIDE), reducing_gap=3.0)
        photo = np.asarray(rgb, np.uint8)
        if not is_on_black(photo, wanted.size):
            item = photo_on_black(photo, wanted.size[0])
            return np.repeat(item[None], wanted.channels, axis=0)
    return _pixels(flatten(image), wanted)


def _pixels(flat: Image.Image, wanted: ImageFormat) -> UInt8Array:
    """The same of a picture of 8 bits without transparency."""
    mode = "L" if wanted.channels == 1 else "RGB"
    resized = _resize(flat if flat.mode == mode else flat.convert(mode), wanted)
    pixels = np.frombuffer(resized.tobytes(), np.uint8).reshape(*wanted.size, wanted.channels)
    return pixels.transpose(2, 0, 1)


def _resize(image: Image.Image, wanted: ImageFormat) -> Image.Image:
    height, width = wanted.size
    if image.size == (width, height):
        return image
    if wanted.resize == "stretch":
        return image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0)
    scale = min(width / image.width, height / image.height)
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    canvas = Image.new(image.mode, (width, height), WHITE if image.mode == "L" else (WHITE,) * 3)
    scaled = image.resize(inner, Image.Resampling.BILINEAR, reducing_gap=3.0)
    canvas.paste(scaled, ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


@dataclass(frozen=True)
class Failure:
    """Why an image could not be read; lasting when the same file will never be readable."""

    reason: str
    lasting: bool


def decode_each(
    readers: Sequence[Callable[[], UInt8Array]], wanted: ImageFormat
) -> tuple[UInt8Array, dict[int, Failure]]:
    """What each reader gives -> (uint8 [n, C, H, W], {position: why it could not be read}).

    An unreadable image leaves zeros; what Pillow raises on broken files is of many kinds, so that
    any exception counts as a reason and none stops the others.
    """
    images = np.zeros((len(readers), *wanted.shape), np.uint8)
    failures: dict[int, Failure] = {}
    for position, read in enumerate(readers):
        try:
            images[position] = read()
        except Exception as error:
            failures[position] = _failure(error)
    return images, failures


def _failure(error: Exception) -> Failure:
    if isinstance(error, UnidentifiedImageError):
        return Failure("not an image", lasting=True)  # Pillow's text holds an object's address
    if isinstance(error, OSError) and error.errno is not None:  # e.g. permission denied
        return Failure(error.strerror or str(error), lasting=False)
    lasting = not isinstance(error, MemoryError)
    return Failure(str(error) or type(error).__name__, lasting)
