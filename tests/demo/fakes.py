"""A model that knows colours, and needs no training."""

import numpy as np

from fewshot.data.images.decode import ImageFormat
from fewshot.demo.preparation import Preparation
from fewshot.demo.viewer import Viewer
from fewshot.errors import UserError

COLOURS = {"Red": (200, 30, 30), "Green": (30, 160, 30), "Blue": (30, 40, 200)}


class ColourRecogniser:
    """Names the colour of an image's middle; fails where `broken` is set, as a bug would."""

    def __init__(self):
        self.image_format = ImageFormat((16, 16), 3, "pad")
        self._known = {name: np.array(colour, float) for name, colour in COLOURS.items()}
        self.broken = False
        self.threshold = None

    @property
    def class_names(self):
        return tuple(self._known)

    @property
    def added(self):
        return tuple(self._known)[len(COLOURS) :]

    def predict(self, images, top):
        if self.broken:
            raise RuntimeError("a bug")
        answers = []
        for image in images:
            apart = {n: np.linalg.norm(self._middle(image) - c) for n, c in self._known.items()}
            shares = {name: np.exp(-distance / 20) for name, distance in apart.items()}
            total = sum(shares.values()) + 1e-12
            best = sorted(shares, key=shares.get, reverse=True)[:top]
            answers.append([(name, shares[name] / total) for name in best])
        return answers

    def add(self, name, images):
        if name in self._known:
            raise UserError(f"'{name}' is a class already: choose another name.")
        self._known[name] = np.mean([self._middle(image) for image in images], axis=0)

    def remove(self, name):
        del self._known[name]

    def save(self, path):
        path.write_text(", ".join(self._known))

    @staticmethod
    def _middle(image):
        return image[:, 6:10, 6:10].reshape(3, -1).mean(axis=1)


def colour_viewer():
    """(viewer, its model)."""
    recogniser = ColourRecogniser()
    return Viewer(
        recogniser, Preparation(recogniser.image_format, items_on_black=False)
    ), recogniser


def patch(colour, size=(60, 80), at=(20, 20), ground=(250, 250, 250)):
    """uint8 [H, W, 3]: a square of a colour on a plain ground."""
    pixels = np.full((*size, 3), ground, np.uint8)
    pixels[at[0] : at[0] + 24, at[1] : at[1] + 24] = colour
    return pixels
