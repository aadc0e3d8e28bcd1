"""Which images of a gallery beside a model vote on what a photo shows."""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from fewshot.heads.approximate import Indexed, counts_of
from fewshot.heads.found import NO_ROW, Nearest
from fewshot.heads.knn import KNN
from fewshot.heads.nearest import search
from fewshot.heads.votes import votes
from fewshot.models.prediction.gallery_folder import GalleryFolder
from fewshot.wording import first_few

logger = logging.getLogger("fewshot")

_BLOCK = 1 << 16  # images that are copied to be compared with, where not all of them vote


class Voters:
    """The images of a gallery that are labelled with one of a model's own classes.

    The others are neighbours only: those without a label, those of classes that were added to the
    model, which it tells apart by the photos that were added (see `beside`), and those of classes
    that it does not know, which neither its threshold nor its prototypes were made for. A class of
    the model without an image here is never voted for. refused: why these cannot vote in place of
    the gallery in the model's file, None where they do.
    """

    def __init__(
        self, large: GalleryFolder, head: KNN, class_names: Sequence[str], added: Sequence[str] = ()
    ) -> None:
        self.large, self.head, self.n_classes = large, head, len(class_names)
        self.labels = _renamed(large, class_names)
        counts = counts_of(self.labels, self.n_classes)
        self.count = int(counts.sum())
        both = zip(class_names, counts.tolist(), strict=True)
        self._absent = [name for name, count in both if count == 0]
        known = {*class_names, *added}
        self._unknown = [name for name in large.class_names if name not in known]
        self.refused = self._refused()
        index = large.indexes.get(head.metric)
        self._indexed = None if index is None else Indexed(index, self.labels, self.n_classes)

    def _refused(self) -> str | None:
        metric, large = self.head.metric, self.large
        if self.count < self.head.k:
            return (
                f"{self.count:,} of its {len(large):,} images are labelled with a class that the "
                f"model was trained on, and KNN.k is {self.head.k}"
            )
        if large.indexes and metric not in large.indexes:
            return f"it has no index for KNN.metric '{metric}'"
        return None

    def told(self) -> str:
        """For the reader: which images vote, and for what."""
        if self.refused is not None:
            return (
                f"'{self.large.place}' shows neighbours only, and the gallery in the model's file "
                f"votes: {self.refused}"
            )
        parts = [f"{self.count:,} of {len(self.large):,} images vote"]
        if self._unknown:
            parts.append(
                f"those of {first_few(self._unknown)}, which the model was not trained on, are "
                "neighbours only"
            )
        if self._absent:
            parts.append(f"no image is of {first_few(self._absent)}: never the answer")
        return "; ".join(parts)

    def tell(self) -> None:
        """Log which images vote, and how exactly they are found; a warning where none does."""
        if self.refused is not None:
            logger.warning("%s", self.told())
            return
        self.large.tell(self.head.metric)
        logger.info("%s", self.told())

    def scores(self, query: Tensor) -> Tensor:
        """query [Q, D] -> the share of the votes that each class gets, float64 [Q, classes]."""
        head, found = self.head, self._nearest(query.cpu())
        return votes(found, self.labels, head.weights, head.metric, head.class_balanced)

    def _nearest(self, query: Tensor) -> Nearest:
        if self._indexed is not None:
            return self._indexed.search(query, self.head.k)
        options = (query, self.n_classes, self.head.k, self.head.metric)
        if self.count == len(self.labels):
            return search(self.large.features, self.labels.long(), *options)
        found: Nearest | None = None
        for start in range(0, len(self.labels), _BLOCK):
            labels = self.labels[start : start + _BLOCK].long()
            some = (labels >= 0).nonzero()[:, 0]
            if len(some) == 0:
                continue
            rows = start + some
            part = _numbered(search(self.large.features[rows], labels[some], *options), rows)
            if found is None:
                found = part
            else:
                found.take(part)
        assert found is not None, "as many vote as the head asks for"
        return found


def _renamed(large: GalleryFolder, class_names: Sequence[str]) -> Tensor:
    """int32 [rows]: the images' labels as numbers of these classes, -1 for none of them."""
    place = {name: number for number, name in enumerate(class_names)}
    numbers = torch.tensor([*(place.get(name, -1) for name in large.class_names), -1])
    found = torch.empty(len(large), dtype=torch.int32)
    for start in range(0, len(large), _BLOCK):
        some = slice(start, start + _BLOCK)
        found[some] = numbers[large.labels[some].long()]  # -1 is the last
    return found


def _numbered(found: Nearest, rows: Tensor) -> Nearest:
    """What was found among some rows, by their numbers."""

    def named(places: Tensor) -> Tensor:
        return torch.where(places == NO_ROW, NO_ROW, rows[places.clamp_max(len(rows) - 1)])

    return Nearest(found.squared, named(found.rows), found.of_class, named(found.class_row))
