"""A saved model as the demo's recogniser, which learns articles from snapshots."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from fewshot.data.images.plain_background import UInt8Array
from fewshot.demo.preparation import Preparation
from fewshot.demo.viewer import Viewer
from fewshot.models.prediction.adding import add_classes, remove_classes
from fewshot.models.prediction.predictor import Predictor, load
from fewshot.processes import usable_processors


class ModelRecogniser:
    """A model's classes, and articles that are added to it, in memory alone until it is saved."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.image_format = predictor.image_format

    @property
    def class_names(self) -> Sequence[str]:
        """All that it can answer."""
        return self._predictor.class_names

    @property
    def added(self) -> Sequence[str]:
        """Those of its classes that were added, here or to the file."""
        return self._predictor.added

    @property
    def threshold(self) -> float | None:
        """The share below which the likeliest class is no answer, but "unknown"; None: none is."""
        return self._predictor.threshold

    def predict(self, images: UInt8Array, top: int) -> list[list[tuple[str, float]]]:
        """uint8 [B, C, H, W] -> for each image the likeliest classes and their shares, falling."""
        predictor = self._predictor  # another thread may put a new one in its place
        shares = predictor.probabilities(images)
        best = shares.topk(min(top, shares.shape[1]), dim=1)
        return [
            [(predictor.class_names[index], share) for share, index in zip(*pair, strict=True)]
            for pair in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    def add(self, name: str, images: UInt8Array) -> None:
        """Know a new class from uint8 [B, C, H, W], as `python -m fewshot add` does.

        Raises UserError for a name it knows, and for a model that keeps no prototypes of its own
        classes to tell it from.
        """
        self._predictor = add_classes(self._predictor, {name: images})

    def remove(self, name: str) -> None:
        """Forget a class that was added; raises UserError for another."""
        self._predictor = remove_classes(self._predictor, [name])

    def save(self, path: Path) -> None:
        """Write the model, with the articles that were added, as one file."""
        self._predictor.save(path)


def share_cores() -> None:
    """Leave half of the cores to the browser: threads that wait for one another block both."""
    cores = usable_processors()
    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores // 2)))
    cv2.setNumThreads(1)  # frames are small


def open_viewer(path: Path, photos: str) -> Viewer:
    """The model of a file, ready to look at pictures.

    photos: "on-black", "as-they-are" or "auto", see `python -m fewshot demo --help`. Raises
    UserError for a file that is no model of this program.
    """
    predictor = load(path, photos)
    # the page cuts items out itself, before any ground
    on_black = predictor.image_format.items_on_black
    image_format = dataclasses.replace(predictor.image_format, items_on_black=False)
    # the first one is slow
    predictor.probabilities(np.zeros((1, *image_format.shape), np.uint8))
    return Viewer(ModelRecogniser(predictor), Preparation(image_format, on_black))
