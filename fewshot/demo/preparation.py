"""A cut-out picture -> the image that the model takes, looking like those it was trained on."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from fewshot.data.images.decode import ImageFormat, convert
from fewshot.data.images.on_black import is_on_black, on_black
from fewshot.data.images.plain_background import Mask, UInt8Array
from fewshot.data.images.worn import without_wearer
from fewshot.demo.cutout import framed


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
        ready = self.items_on_black and is_on_black(rgb, self.image_format.size)
        if mask is None or ready:
            return convert(Image.fromarray(rgb), self.image_format)
        if self.items_on_black and height == width:
            return np.repeat(on_black(rgb, mask, height)[None], self.image_format.channels, axis=0)
        return convert(Image.fromarray(framed(rgb, mask, width / height)), self.image_format)
