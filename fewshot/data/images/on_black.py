"""Photos as Fashion-MNIST shows products: one grey item on black, filling a small square."""

import numpy as np
from PIL import Image
from scipy import ndimage

from fewshot.data.images.plain_background import (
    FloatArray,
    Mask,
    UInt8Array,
    bounding_box,
    item_mask,
)
from fewshot.data.images.worn import without_wearer

SIDE = 28
BRIGHTEST = 98  # percentile of the item's pixels that becomes white, as most have it there
DARK = 16  # of 255; what a black ground has at most
COLOURLESS = 8  # of 255; by which the channels of a grey JPEG differ at most
BLUR = 1.0  # standard deviation in pixels of the sharpening filter, as the data set's authors used


def photo_on_black(rgb: UInt8Array, side: int = SIDE) -> UInt8Array:
    """uint8 [side, side] of a photo uint8 [H, W, 3] before a plain background.

    The item is parted from the background, and from a person who wears it.
    """
    return on_black(rgb, without_wearer(rgb, item_mask(rgb)), side)


def is_on_black(rgb: UInt8Array, size: tuple[int, int]) -> bool:
    """Whether a picture uint8 [H, W, 3] is one of such a data set already: grey, of this size
    (height, width), or of another and with a black border.
    """
    if int((rgb.max(axis=2) - rgb.min(axis=2)).max()) > COLOURLESS:
        return False
    if rgb.shape[:2] == tuple(size):
        return True
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    return bool(np.median(border) < DARK)


def on_black(rgb: UInt8Array, mask: Mask, side: int = SIDE) -> UInt8Array:
    """uint8 [side, side] of uint8 [H, W, 3]: the item inverted, stretched to white, centred.

    mask: bool [H, W], True on the item; all False gives a black image. The longer side of the item
    fills the square, as it does in 99 of 100 images of the data set.
    """
    if not mask.any():
        return np.zeros((side, side), np.uint8)
    top, bottom, left, right = bounding_box(mask)
    grey = np.asarray(Image.fromarray(rgb[top:bottom, left:right]).convert("L"), np.float32)
    inside = mask[top:bottom, left:right]
    inverted = 255 - grey
    white = max(1.0, float(np.percentile(inverted[inside], BRIGHTEST)))
    item = np.where(inside, np.clip(inverted * (255 / white), 0, 255), 0)
    scale = side / max(item.shape)
    size = [max(1, round(length * scale)) for length in item.shape[::-1]]
    scaled = Image.fromarray(item.astype(np.uint8)).resize(size, Image.Resampling.BOX)
    square = np.zeros((side, side), np.uint8)
    y, x = (side - size[1]) // 2, (side - size[0]) // 2
    square[y : y + size[1], x : x + size[0]] = _sharpened(np.asarray(scaled, np.float32))
    return square


def _sharpened(image: FloatArray) -> UInt8Array:
    sharp = 2 * image - ndimage.gaussian_filter(image, BLUR)
    return np.clip(np.rint(sharp), 0, 255).astype(np.uint8)
