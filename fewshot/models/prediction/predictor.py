"""A trained model for those who use it: photos in, classes out; from its file alone."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fewshot.allocation import freed_memory_kept
from fewshot.data.images.decode import UInt8Array
from fewshot.errors import UserError
from fewshot.models.extras import Extras, as_plain, extras_of
from fewshot.models.load import SavedModel
from fewshot.models.load import load as load_module
from fewshot.models.model_file import write
from fewshot.models.prediction.alike import Alike
from fewshot.models.prediction.answers import Answers
from fewshot.models.prediction.decoded import BATCH, Decoded, decoded
from fewshot.models.prediction.gallery_folder import GalleryFolder, gallery_beside
from fewshot.models.prediction.input_format import input_format
from fewshot.models.prediction.photos import Photos
from fewshot.models.prediction.prediction import UNKNOWN, Prediction, frame

if TYPE_CHECKING:
    import pandas as pd

TOP = 5


class Predictor:
    """A model file ready to use, on a GPU where there is one.

    module: the network, an nn.Module; extras: the rest of what the file holds; answers: what turns
    images into features and probabilities; alike: what finds neighbours. class_names: what it can
    answer, the classes it was trained on and those that were added; image_format: of the images
    that the network takes, and how photos are turned into them; photos: see `load`; large: the
    gallery that takes the place of the file's own. Raises UserError for a model that cannot be
    built.
    """

    def __init__(
        self,
        module: SavedModel,
        extras: Extras | None = None,
        photos: str = "auto",
        large: GalleryFolder | None = None,
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.module = module.to(self.device)
        self.extras = extras_of(module.stored) if extras is None else extras
        self.large = large
        self.answers = Answers(self.module, self.extras, large)
        self.alike = Alike(self.extras.gallery, large)
        self.image_format = input_format(module, self.extras, photos)

    def __repr__(self) -> str:
        known = f"{len(self.class_names)} classes, {len(self.added)} of them added"
        return f"<{self.path.name}: {known}, threshold {self.threshold}>"

    @property
    def path(self) -> Path:
        """The file it was loaded from."""
        return self.module.stored.path

    @property
    def class_names(self) -> tuple[str, ...]:
        """Every class that it can answer, in the order of the probabilities."""
        return self.answers.class_names

    @property
    def added(self) -> tuple[str, ...]:
        """Those of its classes that were added without training."""
        return self.answers.added

    @property
    def threshold(self) -> float | None:
        """The probability below which the answer is "unknown"; None where there is no such."""
        return self.extras.threshold

    def predict(
        self, photos: str | Path | Sequence[str | Path], neighbours: int = 0
    ) -> "pd.DataFrame":
        """What the photos show: a row a photo, in their order.

        photos: files, folders (with all below), patterns such as 'new/*.jpg', or a CSV with a
        column `path`; one or several. neighbours: how many of the most alike training images to
        name. Columns: photo, answer (a class, "unknown", or None), class_1, score_1 ... class_5,
        score_5 (probabilities, falling), then neighbour_1, neighbour_1_class,
        neighbour_1_similarity ..., and error, which says why a photo could not be read. Raises
        UserError for a model without classes, or without the gallery that neighbours need.
        """
        places = [photos] if isinstance(photos, str | Path) else photos
        found = self.predictions(Photos(places), neighbours)
        return frame(found, self.top, neighbours)

    def predictions(self, photos: Photos, neighbours: int = 0) -> Iterator[Prediction]:
        """The same one after the other, so that there may be any number; raises as `predict`."""
        self._check(neighbours)
        return self._stream(photos, neighbours)

    @property
    def top(self) -> int:
        """How many classes a prediction names."""
        return min(TOP, len(self.class_names))

    def embed(self, images: UInt8Array | Tensor) -> Tensor:
        """Images uint8 [N, C, H, W] of image_format -> embeddings float32 [N, D]."""
        with torch.inference_mode():
            parts = _tensor(images).split(BATCH)
            return torch.cat([self.module.embed(part.to(self.device)).float() for part in parts])

    def probabilities(self, images: UInt8Array | Tensor) -> Tensor:
        """Images uint8 [N, C, H, W] of image_format -> float64 [N, number of class_names]."""
        with torch.inference_mode():
            parts = _tensor(images).split(BATCH)
            return torch.cat([self.answers(part.to(self.device))[1].cpu() for part in parts])

    def with_extras(self, extras: Extras) -> "Predictor":
        """The same network with other extras, such as one class more."""
        photos = "on-black" if self.image_format.items_on_black else "as-they-are"
        return Predictor(self.module, extras, photos, self.large)

    def save(self, path: Path | str) -> None:
        """Write the model, with all that was added to it, as one file."""
        own = {} if self.extras.added is None else {"added": as_plain(self.extras.added)}
        others = {k: v for k, v in self.module.stored.extras.items() if k != "added"}
        write(dataclasses.replace(self.module.stored, extras=others | own), path)

    def _check(self, neighbours: int) -> None:
        objective = self.module.stored.objective
        if not self.class_names:
            raise UserError(
                f"'{self.path}' is a model of {objective} that knows no classes: it has no "
                "classifier, and was trained without labels. Fine-tune it with "
                "configs/finetune.gin, or add classes from a few photos of each: "
                "python -m fewshot add"
            )
        rows = len(self.alike)
        if neighbours < 0 or neighbours > rows:
            raise UserError(
                f"{neighbours} neighbours cannot be shown: '{self.path}' keeps {self.alike.kept}. "
                f"Ask for {f'0 to {rows}' if rows else '0'}."
            )
        if neighbours and self.large is not None:
            self.large.tell()

    def _stream(self, photos: Photos, neighbours: int) -> Iterator[Prediction]:
        with freed_memory_kept(self.device):
            for batch in decoded(photos, self.image_format):
                yield from self._of_batch(batch, neighbours)

    def _of_batch(self, batch: Decoded, neighbours: int) -> Iterator[Prediction]:
        read = [i for i in range(len(batch.photos)) if i not in batch.failures]
        found = self._named(batch.images[read], neighbours) if read else []
        told = dict(zip(read, found, strict=True))
        for place, photo in enumerate(batch.photos):
            if place in told:
                yield dataclasses.replace(told[place], photo=photo.name)
            else:
                yield Prediction(photo.name, None, error=batch.failures[place].reason)

    def _named(self, images: UInt8Array, neighbours: int) -> list[Prediction]:
        with torch.inference_mode():
            features, likely = self.answers(torch.from_numpy(images).to(self.device))
            scores, order = likely.cpu().sort(dim=1, descending=True, stable=True)
        alike = self.alike(features, neighbours)
        found = []
        for values, places, near in zip(
            scores[:, : self.top].tolist(), order[:, : self.top].tolist(), alike, strict=True
        ):
            names = [self.class_names[place] for place in places]
            below = self.threshold is not None and values[0] < self.threshold
            classes = tuple(zip(names, values, strict=True))
            found.append(Prediction("", UNKNOWN if below else names[0], classes, near))
        return found


def load(path: Path | str, photos: str = "auto") -> Predictor:
    """The model of a file, ready to use; reading it executes nothing.

    photos: "on-black" turns photos into grey items on black, as Fashion-MNIST shows them;
    "as-they-are" does not; "auto" does where the model was trained on such images.
    A gallery beside the file is searched in place of its own, see `voters.Voters`; what votes, and
    how exactly it is found, is logged. What plug-ins register must have been imported. Raises
    UserError for a file that is missing, damaged or too new, an unknown part, another's gallery.
    """
    module = load_module(path)
    found = Predictor(module, photos=photos, large=gallery_beside(module.stored))
    if found.answers.voters is not None:
        found.answers.voters.tell()
    return found


def _tensor(images: UInt8Array | Tensor) -> Tensor:
    if isinstance(images, Tensor):
        return images
    return torch.from_numpy(np.require(images, requirements="W"))  # a copy where it is read-only
