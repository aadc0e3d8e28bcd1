"""The garment alone, in photos of people who wear it: without head, hands and what is below."""

import numpy as np
from PIL import Image
from scipy import ndimage

from fewshot.data.images.plain_background import Mask, UInt8Array, bounding_box, largest_parts

WORKING_SIDE = 96  # pixels of the longer side; hems and necks need no more
FACE = 0.02  # share of the mask that must be skin in the picture's upper third
MOST_SKIN = 0.6  # more, and the item itself is of the colour of skin
SEAM = 60.0  # summed difference of the colours above and below a hem, of 765
STRIP = 8  # rows on either side of a hem that are compared


def without_wearer(rgb: UInt8Array, mask: Mask) -> Mask:
    """The mask bool [H, W] of uint8 [H, W, 3] reduced to the garment, where a face is seen.

    What is of the colour of skin is left out, then what it was that held the rest together (hair,
    hands), and where the picture's lower border cuts the person, what is worn below the garment.
    The mask itself where there is no face. Skin's colour is a rule of thumb, hence the bounds.
    """
    height, width = mask.shape
    scale = min(1.0, WORKING_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))
    within = _resized(mask, size)
    garment = _garment(small, within)
    if garment is within:
        return mask
    enlarged = mask & _resized(garment, (width, height))
    return enlarged if enlarged.any() else mask


def _resized(mask: Mask, size: tuple[int, int]) -> Mask:
    picture = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(picture) > 127


def _garment(rgb: UInt8Array, mask: Mask) -> Mask:
    """The garment in a small picture; the same mask object where there is no face."""
    skin = _skin(rgb) & mask
    area = int(mask.sum())
    if not FACE * area < skin[: len(skin) // 3].sum() or skin.sum() > MOST_SKIN * area:
        return mask
    rest = ndimage.binary_opening(mask & ~ndimage.binary_dilation(skin))
    if not rest.any():
        return mask
    return _above_hem(rgb, largest_parts(rest, 1.0))


def _skin(rgb: UInt8Array) -> Mask:
    """Where a pixel's chroma is that of human skin, and about that of the skin seen on top."""
    red, green, blue = np.moveaxis(rgb.astype(np.float32), 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    to_blue, to_red = 128 + 0.564 * (blue - luma), 128 + 0.713 * (red - luma)
    chroma = (to_red > 137) & (to_red < 175) & (to_blue > 85) & (to_blue < 122)
    skin: Mask = chroma & (luma > 70) & (red > green) & (green > 0.95 * blue)
    face = np.zeros_like(skin)
    face[: len(skin) // 3] = skin[: len(skin) // 3]
    if face.any():  # a print in red on a shirt is no skin, when the face is not as red
        for channel, tolerance in ((to_blue, 12), (to_red, 12), (luma, 70)):
            skin &= np.abs(channel - np.median(channel[face])) < tolerance
    return skin


def _above_hem(rgb: UInt8Array, mask: Mask) -> Mask:
    """The mask down to the row in its lower half where the colour changes most, if it does."""
    if not mask[-1].any():
        return mask
    top, bottom, _, _ = bounding_box(mask)
    tall = bottom - top
    strongest, hem = SEAM, None
    for row in range(round(top + 0.45 * tall), round(top + 0.92 * tall)):
        above, below = slice(max(top, row - STRIP), row), slice(row + 1, row + 1 + STRIP)
        if mask[above].sum() < 30 or mask[below].sum() < 30:
            continue
        colours = [np.median(rgb[part][mask[part]], axis=0) for part in (above, below)]
        change = float(np.abs(colours[0] - colours[1]).sum())
        if change > strongest:
            strongest, hem = change, row
    if hem is None:
        return mask
    kept = mask.copy()
    kept[hem + 1 :] = False
    return kept
