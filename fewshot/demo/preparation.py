"""A cut-out picture -> the image that the model takes, looking like those it was trained on."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fewshot.data.images.decode import ImageFormat, convert
from fewshot.data.images.on_black import on_black
from fewshot.data.images.plain_background import Mask, UInt8Array
from fewshot.data.images.worn import without_wearer
from fewshot.demo.cutout import framed

FASHION_MNIST = frozenset(
    (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )
)


def knows_items_on_black(image_format: ImageFormat, class_names: Collection[str]) -> bool:
    """Whether a model was trained on Fashion-MNIST, or on a part of its classes."""
    return image_format.channels == 1 and bool(class_names) and set(class_names) <= FASHION_MNIST


@dataclass(frozen=True)
class Preparation:
    """How a picture becomes an image of the model.

    image_format: of the model's images; items_on_black: whether they are as Fashion-MNIST's.
    """

    image_format: ImageFormat
    items_on_black: bool

    def item(self, rgb: UInt8Array, mask: Mask) -> Mask:
        """The part of a cut-out that the model knows: for Fashion-MNIST's without the wearer."""
        return without_wearer(rgb, mask) if self.items_on_black else mask

    def __call__(self, rgb: UInt8Array, mask: Mask | None) -> UInt8Array:
        """uint8 [H, W, 3] and the item's mask (None: the picture as it is) -> uint8 [C, H, W]."""
        height, width = self.image_format.size
        if mask is None or self._is_ready(rgb):
            return convert(Image.fromarray(rgb), self.image_format)
        if self.items_on_black and height == width:
            return np.repeat(on_black(rgb, mask, height)[None], self.image_format.channels, axis=0)
        return convert(Image.fromarray(framed(rgb, mask, width / height)), self.image_format)

    def _is_ready(self, rgb: UInt8Array) -> bool:
        """An image of the training data itself: its size, grey, and the item on black already."""
        if not self.items_on_black or rgb.shape[:2] != self.image_format.size:
            return False
        corners = rgb[[0, 0, -1, -1], [0, -1, 0, -1]]
        return bool((rgb == rgb[..., :1]).all() and np.median(corners) < 16)
