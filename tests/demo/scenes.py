"""What a camera would show: items before backgrounds, in one light or another."""

import gzip
import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SAMPLES = Path(__file__).parents[1] / "samples" / "fashion-mnist"
CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def samples(part):
    """(uint8 [n, 28, 28], names [n]) of Fashion-MNIST's committed sample, "train" or "t10k"."""
    images, labels = (
        gzip.decompress((SAMPLES / f"{part}-{kind}-ubyte.gz").read_bytes())
        for kind in ("images-idx3", "labels-idx1")
    )
    names = np.array(CLASSES)[np.frombuffer(labels, np.uint8, offset=8)]
    return np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28), names


def wall(height=240, width=320):
    """A plain wall, a little brighter on its right."""
    light = np.linspace(0.9, 1.05, width)[None, :, None]
    return np.full((height, width, 3), (190, 184, 172), np.float32) * light


def wood(height=240, width=320):
    """Planks with a grain."""
    y, x = np.mgrid[:height, :width]
    grain = 1 + 0.15 * np.sin(x / 9 + 3 * np.sin(y / 40))
    return np.full((height, width, 3), (150, 110, 70), np.float32) * grain[..., None]


def shelf(height=240, width=320):
    """Boxes of all colours."""
    boxes = np.random.default_rng(3).integers(40, 220, (6, 8, 3)).astype(np.float32)
    return cv2.resize(boxes, (width, height), interpolation=cv2.INTER_NEAREST)


def held(ground, item, side=170, tint=(0.55, 0.75, 1.0)):
    """(picture float, mask) of a Fashion-MNIST image as a thing of its own before a ground.

    Its blacks and whites are turned back, and it is given a colour.
    """
    grey = cv2.resize(item, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    inside = cv2.resize((item > 0).astype(np.float32), (side, side)) > 0.5
    inside = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9))) > 0
    height, width = ground.shape[:2]
    y, x = (height - side) // 2, (width - side) // 2
    mask = np.zeros((height, width), bool)
    mask[y : y + side, x : x + side] = inside
    picture = ground.copy()
    colour = np.clip(255 - grey, 0, 235)[..., None] * np.array(tint, np.float32)
    picture[y : y + side, x : x + side][inside] = colour[inside]
    return picture, mask


def taken(picture, gain=1.0, tint=(1.0, 1.0, 1.0), fall=0.0, seed=0):
    """uint8: the picture as a camera gives it, in another light, with noise, as a JPEG's pixels."""
    slope = 1 + fall * np.linspace(-0.5, 0.5, picture.shape[1])[None, :, None]
    noise = np.random.default_rng(seed).normal(0, 3, picture.shape)
    pixels = picture * gain * np.array(tint) * slope + noise
    return np.array(Image.open(io.BytesIO(jpeg(np.clip(pixels, 0, 255).astype(np.uint8)))))


def jpeg(pixels, quality=90):
    """The bytes of a JPEG file."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def agreement(mask, truth):
    """Intersection over union."""
    return (mask & truth).sum() / (mask | truth).sum()
