"""A saved model as the demo's recogniser, which learns articles from snapshots."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fewshot.data.images.plain_background import UInt8Array
from fewshot.demo.preparation import Preparation, knows_items_on_black
from fewshot.demo.viewer import Viewer
from fewshot.errors import UserError
from fewshot.models.extras import Prototypes
from fewshot.models.prediction.predictor import Predictor, load

TEMPERATURE = 0.1  # of cosines, where a model has no classes to fit it to


class ModelRecogniser:
    """A model's classes, and articles added as prototypes of their snapshots, in memory alone.

    See fewshot/models/prediction/answers.py for how these are answered beside one another.
    """

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
        """Know a new class from uint8 [B, C, H, W].

        Raises UserError for a name it knows, and for a model that keeps no prototypes of its own
        classes to tell it from.
        """
        if name in self.class_names:
            raise UserError(f"'{name}' is a class already: choose another name.")
        before = self._before()
        features = self._predictor.embed(images).cpu()
        centred = functional.normalize(features - before.mean)
        prototype = functional.normalize(centred.sum(dim=0, keepdim=True))
        self._put((*before.class_names, name), torch.cat([before.features, prototype]), before)

    def remove(self, name: str) -> None:
        """Forget a class that was added; raises UserError for another."""
        if name not in self.added:
            raise UserError(f"'{name}' was not added: {', '.join(self.added) or 'nothing was'}.")
        before = self._before()
        kept = [i for i, other in enumerate(before.class_names) if other != name]
        self._put(tuple(before.class_names[i] for i in kept), before.features[kept], before)

    def _before(self) -> Prototypes:
        """The classes added so far, perhaps none."""
        extras = self._predictor.extras
        if extras.added is not None:
            return extras.added
        own = extras.prototypes
        if own is None and self.class_names:
            raise UserError(
                "this model keeps no prototypes of its classes, which an added article is told "
                "from: train it with this version of the program."
            )
        if own is not None:
            return Prototypes((), own.features[:0], own.mean, own.temperature)
        width = self._predictor.embed(np.zeros((1, *self.image_format.shape), np.uint8)).shape[1]
        return Prototypes((), torch.zeros(0, width), torch.zeros(width), TEMPERATURE)

    def _put(self, names: tuple[str, ...], features: Tensor, before: Prototypes) -> None:
        added = Prototypes(names, features, before.mean, before.temperature) if names else None
        extras = dataclasses.replace(self._predictor.extras, added=added)
        self._predictor = self._predictor.with_extras(extras)


def share_cores() -> None:
    """Leave half of the cores to the browser: threads that wait for one another block both."""
    cores = os.cpu_count() or 1
    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores // 2)))
    cv2.setNumThreads(1)  # frames are small


def open_viewer(path: Path, photos: str) -> Viewer:
    """The model of a file, ready to look at pictures.

    photos: "on-black", "as-they-are" or "auto", see `python -m fewshot demo --help`. Raises
    UserError for a file that is no model of this program.
    """
    predictor = load(path)
    image_format = predictor.image_format
    # the first one is slow
    predictor.probabilities(np.zeros((1, *image_format.shape), np.uint8))
    trained = predictor.module.stored.trained_classes
    on_black = photos == "on-black" or (
        photos == "auto" and knows_items_on_black(image_format, trained)
    )
    return Viewer(ModelRecogniser(predictor), Preparation(image_format, on_black))
