"""A dataset and an objective of a few numbers: an image's pixels are its embedding."""

import hashlib

import numpy as np
import torch
from torch import nn


class FakeDataset:
    """Rows of images uint8 [N, 1, 1, D] with labels given as names (None: unlabelled)."""

    further: dict[str, object] = {}  # noqa: RUF012

    def __init__(self, images, labels, class_names=None, first_id=0):
        self._images = torch.as_tensor(np.asarray(images), dtype=torch.uint8)
        if self._images.ndim == 2:
            self._images = self._images[:, None, None, :]
        known = {label for label in labels if label is not None}
        self.class_names = tuple(sorted(known)) if class_names is None else tuple(class_names)
        place = {name: i for i, name in enumerate(self.class_names)}
        self.labels = np.array([place.get(label, -1) for label in labels], dtype=np.int64)
        self.ids = np.array([str(first_id + i) for i in range(len(labels))])
        self.channels = self._images.shape[1]
        self.image_size = tuple(self._images.shape[2:])

    def __len__(self):
        return len(self._images)

    def images(self, rows):
        return self._images[torch.as_tensor(rows)]

    def image_digests(self):
        pixels = (image.numpy().tobytes() for image in self._images)
        digests = (hashlib.blake2b(image, digest_size=8).digest() for image in pixels)
        return np.array([int.from_bytes(d, "big", signed=True) for d in digests], dtype=np.int64)


class PixelObjective(nn.Module):
    """Embeds an image as its pixels; gives no scores."""

    def __init__(self, class_names=()):
        super().__init__()
        self.class_names = self.trained_classes = tuple(class_names)
        self.inherited_images = np.zeros(0, dtype=np.int64)

    def embed(self, images):
        return images.flatten(1).float()


class PixelClassifier(PixelObjective):
    """Scores are the first pixels, one a class."""

    def scores(self, images):
        return self.embed(images)[:, : len(self.class_names)]


def random_rows(n, d, seed, classes="abcdef"):
    generator = np.random.default_rng(seed)
    labels = generator.choice(list(classes), n)
    centres = {name: np.random.default_rng(ord(name)).integers(60, 200, d) for name in "abcdefgh"}
    images = [np.clip(centres[name] + generator.integers(-50, 50, d), 0, 255) for name in labels]
    return np.array(images), labels.tolist()


def random_dataset(n=60, d=8, seed=0, classes="abcdef", first_id=0):
    images, labels = random_rows(n, d, seed, classes)
    return FakeDataset(images, labels, first_id=first_id)
