"""Which pixels are the item's, in a photo on a plain background as shops take them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
UInt8Array = NDArray[np.uint8]
FloatArray = NDArray[np.float32]

TOLERANCE = 10.0  # of 255; below it JPEG's noise is taken for an item, above it white shirts fade
LEAST_PART = 0.1  # smaller pieces than this share of the largest one are dust
NOISE = 12.0  # of 255; what a camera and JPEG add to a plain colour
ROUNDS = 4


@dataclass(frozen=True)
class Background:
    """What lies behind the item.

    colour: float32 [H, W, 3], a plane through the border's colours, as light falls off to a side;
    plainness: share of the border pixels that follow it, 1 where nothing touches the border.
    """

    colour: FloatArray
    plainness: float


def background(rgb: UInt8Array) -> Background:
    """The background's colour, from the border of an image [H, W, 3]."""
    height, width = rgb.shape[:2]
    edge = np.ones((height, width), bool)
    edge[2:-2, 2:-2] = False
    y, x = np.nonzero(edge)
    colours = rgb[y, x].astype(np.float32)
    places = np.stack([np.ones(len(y)), y / height - 0.5, x / width - 0.5], axis=1)
    # what touches the border (a person cut at the waist) differs from most of it by far
    follows = np.abs(colours - np.median(colours, axis=0)).max(axis=1) < 40
    plane = np.zeros((3, 3))
    for _ in range(ROUNDS):
        if follows.sum() < 8:
            plane = np.stack([np.median(colours, axis=0), np.zeros(3), np.zeros(3)])
            break
        plane = np.linalg.lstsq(places[follows], colours[follows], rcond=None)[0]
        error = np.abs(colours - places @ plane).max(axis=1)
        follows = error < min(max(NOISE, 2.5 * float(np.median(error[follows]))), 2 * NOISE)
    rows = (np.arange(height) / height - 0.5)[:, None, None]
    columns = (np.arange(width) / width - 0.5)[None, :, None]
    colour = plane[0] + rows * plane[1] + columns * plane[2]
    return Background(np.clip(colour, 0, 255).astype(np.float32), float(follows.mean()))


def item_mask(
    rgb: UInt8Array, tolerance: float = TOLERANCE, behind: Background | None = None
) -> Mask:
    """bool [H, W], True on the item: all that the background, let in from the border, cannot reach.

    rgb: uint8 [H, W, 3]; behind: its background, where that is known already. All False where
    nothing stands out.
    """
    alike = np.abs(rgb - (behind or background(rgb)).colour).max(axis=2) <= tolerance
    outside, _ = ndimage.label(np.pad(alike, 1, constant_values=True))
    item = (outside != outside[0, 0])[1:-1, 1:-1]
    return largest_parts(ndimage.binary_opening(item, np.ones((2, 2), bool)))


def largest_parts(mask: Mask, least: float = LEAST_PART) -> Mask:
    """The mask without its small pieces: those below a share of the largest piece."""
    parts, count = ndimage.label(mask, np.ones((3, 3), bool))
    if not count:
        return mask
    sizes = np.bincount(parts.ravel())[1:]
    kept: Mask = np.isin(parts, 1 + np.flatnonzero(sizes >= least * sizes.max()))
    return kept


def bounding_box(mask: Mask) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of a mask, ends exclusive; raises ValueError for an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        raise ValueError("the mask is empty")
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
