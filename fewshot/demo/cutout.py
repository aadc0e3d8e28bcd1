"""The item cut out from a picture: against a frame of the bare background, or by itself."""

from dataclasses import dataclass

import cv2
import numpy as np

from fewshot.data.images.plain_background import (
    Mask,
    UInt8Array,
    background,
    bounding_box,
    largest_parts,
)
from fewshot.data.images.plain_background import item_mask as plain_item_mask
from fewshot.demo.difference import against_reference

WORKING_SIDE = 240  # pixels of the longer side while searching; the mask is scaled up again
GRAB_SIDE = 120  # GrabCut's time grows with the pixels
PLAIN = 0.6  # share of the border that must follow one colour
LEAST_SHARE = 0.004  # of the picture; less is noise
MOST_SHARE = 0.97  # more is no item before a background


@dataclass(frozen=True)
class Cutout:
    """mask: bool [H, W]; how: "reference", "plain" (one border colour) or "guess" (GrabCut)."""

    mask: Mask
    how: str


def cut_out(rgb: UInt8Array, reference: UInt8Array | None = None) -> Cutout | None:
    """The item in uint8 [H, W, 3], or None where there is none to be seen.

    reference: a frame of the same view without the item, [H', W', 3] of the same proportions.
    """
    small = _shrunk(rgb, WORKING_SIDE)
    if reference is not None:
        bare = np.asarray(cv2.resize(reference, small.shape[1::-1], interpolation=cv2.INTER_AREA))
        mask, how = against_reference(small, bare.astype(np.uint8)), "reference"
    elif (behind := background(small)).plainness >= PLAIN:
        mask, how = plain_item_mask(small, behind=behind), "plain"
    else:
        mask, how = _guess(rgb), "guess"
    share = mask.mean()
    if not LEAST_SHARE <= share <= MOST_SHARE:
        return None
    height, width = rgb.shape[:2]
    full = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return Cutout(full > 0.5, how) if (full > 0.5).any() else None


def _guess(rgb: UInt8Array) -> Mask:
    """GrabCut's mask, where the background is not plain; the item is taken to be in the middle."""
    small = np.ascontiguousarray(_shrunk(rgb, GRAB_SIDE))
    height, width = small.shape[:2]
    inset = (width // 12, height // 12, width - 2 * (width // 12), height - 2 * (height // 12))
    marks = np.zeros((height, width), np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # k-means inside starts at random
    try:
        cv2.grabCut(small, marks, inset, *models, 3, cv2.GC_INIT_WITH_RECT)
    except cv2.error:  # a picture of one colour, or of a few pixels, cannot be modelled
        return np.zeros((height, width), bool)
    item = (marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)
    return largest_parts(item, 0.15)


def outlines(mask: Mask) -> list[list[tuple[float, float]]]:
    """The mask's outer edges as polygons of (x, y), each from 0 to 1 of the picture's sides."""
    height, width = mask.shape
    edges, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    tolerance = max(1.0, 0.004 * max(height, width))
    polygons = (cv2.approxPolyDP(edge, tolerance, True)[:, 0] for edge in edges)
    return [
        [(round(float(x) / width, 4), round(float(y) / height, 4)) for x, y in polygon]
        for polygon in polygons
        if len(polygon) >= 3
    ]


def framed(
    rgb: UInt8Array, mask: Mask, aspect: float = 1.0, margin: float = 0.0, fill: int = 255
) -> UInt8Array:
    """The item alone on a plain ground, centred in a crop of the given width / height.

    margin: share of the crop left free on each side (product photos leave next to none); fill:
    grey of the ground, 0 to 255.
    """
    top, bottom, left, right = bounding_box(mask)
    height, width = bottom - top, right - left
    tall = max(height, width / aspect) / (1 - 2 * margin)
    shape = (max(1, round(tall)), max(1, round(tall * aspect)))
    soft = cv2.GaussianBlur(mask[top:bottom, left:right].astype(np.float32), (3, 3), 0)[..., None]
    item = rgb[top:bottom, left:right] * soft + fill * (1 - soft)
    canvas = np.full((max(shape[0], height), max(shape[1], width), 3), fill, np.uint8)
    y, x = (canvas.shape[0] - height) // 2, (canvas.shape[1] - width) // 2
    canvas[y : y + height, x : x + width] = np.rint(item).astype(np.uint8)
    return canvas


def _shrunk(rgb: UInt8Array, side: int) -> UInt8Array:
    """The picture with its longer side at most `side` pixels, averaged over areas."""
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
