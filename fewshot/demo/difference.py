"""What a frame shows that a frame of the bare background does not, whatever the light is now."""

import cv2
import numpy as np

from fewshot.data.images.plain_background import FloatArray, Mask, UInt8Array, largest_parts

FAINTEST, STRONGEST = 6.0, 20.0  # bounds of the threshold on colour differences, in Lab units


def against_reference(rgb: UInt8Array, reference: UInt8Array) -> Mask:
    """bool [H, W], True where a picture shows something else than the background frame.

    Tolerates another brightness or tint of the whole picture, a light that falls off to a side,
    and soft shadows: the background is first given the picture's light.
    """
    now = cv2.GaussianBlur(rgb, (3, 3), 0).astype(np.float32)
    before = cv2.GaussianBlur(reference, (3, 3), 0).astype(np.float32)
    lit = _relit(before, now)
    difference = _difference(now, lit)
    noise = float(np.median(difference))  # of the background, where that is half of the picture
    threshold = min(max(4 * noise, FAINTEST), STRONGEST)
    changed = (difference > threshold).astype(np.uint8)
    clean = cv2.morphologyEx(changed, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    closed = cv2.morphologyEx(clean, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    return _without_small_holes(largest_parts(closed.astype(bool), 0.15))


def _relit(before: FloatArray, now: FloatArray) -> FloatArray:
    """The background frame in the light of now: a gain for each colour, falling off in a plane."""
    height, width = before.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    places = np.stack([np.ones_like(x), x / width - 0.5, y / height - 0.5], axis=-1)
    usable = (before.min(axis=2) > 12) & (now.min(axis=2) > 3)
    if usable.sum() < 0.05 * usable.size:
        return before
    step = (slice(None, None, 4), slice(None, None, 4))
    usable, sparse = usable[step], places[step]
    ratio = np.log((now[step] + 1) / (before[step] + 1))
    follows = usable & _near_common_ratio(ratio.mean(axis=2), usable)
    fit = np.zeros((3, 3), np.float32)
    for _ in range(4):
        if follows.sum() < 12:
            break
        fit = np.linalg.lstsq(sparse[follows], ratio[follows], rcond=None)[0].astype(np.float32)
        error = np.abs(ratio - sparse @ fit).max(axis=2)
        follows = usable & (error < max(0.05, 2.5 * float(np.median(error[follows]))))
    lit: FloatArray = np.clip((before + 1) * np.exp(places @ fit) - 1, 0, 255)
    return lit


def _near_common_ratio(ratio: FloatArray, usable: Mask) -> Mask:
    """Where the change of brightness is about the commonest one, which is the background's.

    The border counts fourfold, for an item is held to the middle.
    """
    weight = np.ones_like(ratio)
    weight[:4], weight[-4:], weight[:, :4], weight[:, -4:] = 4, 4, 4, 4
    counts, edges = np.histogram(ratio[usable], 120, (-2, 2), weights=weight[usable])
    smooth = np.convolve(counts, np.hanning(9), mode="same")
    commonest = edges[int(smooth.argmax())] + (edges[1] - edges[0]) / 2
    near: Mask = np.abs(ratio - commonest) < 0.15
    return near


def _difference(now: FloatArray, lit: FloatArray) -> FloatArray:
    """Distance in Lab, in which lightness counts less than colour, and a soft shadow little."""
    a, b = (cv2.cvtColor(x / np.float32(255), cv2.COLOR_RGB2LAB) for x in (now, lit))
    lightness = np.abs(a[..., 0] - b[..., 0])
    colour = np.hypot(a[..., 1] - b[..., 1], a[..., 2] - b[..., 2])
    darker = (a[..., 0] + 1) / (b[..., 0] + 1)
    shadow = (darker > 0.6) & (darker < 1) & (colour < 6)
    distance = np.hypot(colour, lightness * np.where(shadow, 0.3, 0.8))
    return np.asarray(distance, np.float32)


def _without_small_holes(mask: Mask) -> Mask:
    """Holes below a thirtieth of the mask are filled; larger ones are a bag's handle or a ring."""
    holes, count = cv2.connectedComponents((~mask).astype(np.uint8))[::-1]
    edge = {*holes[0], *holes[-1], *holes[:, 0], *holes[:, -1]}
    sizes = np.bincount(holes.ravel(), minlength=count)
    small = [i for i in range(1, count) if i not in edge and sizes[i] < mask.sum() / 30]
    return mask | (np.isin(holes, small) & ~mask)
