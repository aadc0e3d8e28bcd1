"""A saved model as the demo's recogniser: its own classes, and prototypes of added articles."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fewshot.data.images.decode import ImageFormat
from fewshot.data.images.plain_background import UInt8Array
from fewshot.demo.preparation import Preparation, knows_items_on_black
from fewshot.demo.viewer import Viewer
from fewshot.errors import UserError

SPREAD = 3.0  # how much farther than the snapshots from one another a picture of the article may be
NARROWEST, WIDEST = 0.03, 0.15  # bounds of that, in 1 - cosine
SOFTNESS = 0.15  # of the change from no to yes, as a share of the bound


class Ready(Protocol):
    """What is used of a loaded model: see fewshot.models.load."""

    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    image_channels: int | None
    resize: str | None

    @property
    def classifies(self) -> bool:
        """Whether it has scores."""
        ...

    def embed(self, images: Tensor) -> Tensor:
        """uint8 [B, C, H, W] -> float [B, D]."""
        ...

    def scores(self, images: Tensor) -> Tensor:
        """uint8 [B, C, H, W] -> float [B, classes]."""
        ...


class PrototypeRecogniser:
    """A model's classes by its classifier, added articles by their snapshots' embeddings.

    An added article is answered as far as a picture is about as near to one of its snapshots as
    these are to one another; what that leaves is shared among the model's classes by its scores.
    """

    def __init__(self, model: Ready, image_format: ImageFormat) -> None:
        self._model = model
        self._own = model.class_names if model.classifies else ()
        self._articles: dict[str, tuple[Tensor, float]] = {}
        self.image_format = image_format

    @property
    def class_names(self) -> Sequence[str]:
        """All that it can answer."""
        return (*self._own, *self._articles)

    @property
    def added(self) -> Sequence[str]:
        """The articles added."""
        return tuple(self._articles)

    @torch.inference_mode()
    def predict(self, images: UInt8Array, top: int) -> list[list[tuple[str, float]]]:
        """uint8 [B, C, H, W] -> for each image the likeliest classes and their shares, falling."""
        batch = torch.from_numpy(images)
        shares = torch.zeros(len(batch), 0)
        if self._own:
            shares = self._model.scores(batch).float().softmax(dim=1)
        if self._articles:
            features = functional.normalize(self._model.embed(batch).float(), dim=1)
            likely = torch.stack([self._likely(features, *a) for a in self._articles.values()], 1)
            left = 1 - likely.amax(dim=1, keepdim=True)
            likely = likely * (1 - left) / likely.sum(dim=1, keepdim=True).clamp(min=1e-9)
            shares = torch.cat([shares * left, likely], dim=1)
        best = shares.topk(min(top, shares.shape[1]), dim=1)
        names = self.class_names
        return [
            [(names[index], share) for share, index in zip(*pair, strict=True)]
            for pair in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    @torch.inference_mode()
    def add(self, name: str, images: UInt8Array) -> None:
        """Know a new class from uint8 [B, C, H, W]; raises UserError for a name it knows."""
        if name in self.class_names:
            raise UserError(f"'{name}' is a class already: choose another name.")
        both = np.concatenate(
            [images, images[..., ::-1]]
        )  # seen from the left, seen from the right
        features = functional.normalize(self._model.embed(torch.from_numpy(both)).float(), dim=1)
        apart = 1 - features[: len(images)] @ features[: len(images)].T
        apart.fill_diagonal_(float("inf"))
        nearest = apart.amin(dim=1)
        typical = float(nearest[nearest.isfinite()].mean()) if len(images) > 1 else NARROWEST
        bound = min(max(SPREAD * typical, NARROWEST), WIDEST)
        self._articles[name] = (features, bound)

    def remove(self, name: str) -> None:
        """Forget a class that was added; raises UserError for another."""
        if name not in self._articles:
            raise UserError(
                f"'{name}' was not added: {', '.join(self._articles) or 'nothing was'}."
            )
        del self._articles[name]

    @staticmethod
    def _likely(features: Tensor, snapshots: Tensor, bound: float) -> Tensor:
        apart = (1 - features @ snapshots.T).amin(dim=1)
        return torch.sigmoid((bound - apart) / (SOFTNESS * bound))


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
    from fewshot.models.load import load

    model = load(path)
    channels = model.image_channels or model.stored.inputs.channels
    image_format = ImageFormat(model.image_size, channels, model.resize or "stretch")
    on_black = photos == "on-black" or (
        photos == "auto" and knows_items_on_black(image_format, model.class_names)
    )
    recogniser = PrototypeRecogniser(model, image_format)
    recogniser.predict(np.zeros((1, *image_format.shape), np.uint8), 1)  # the first one is slow
    return Viewer(recogniser, Preparation(image_format, on_black))
