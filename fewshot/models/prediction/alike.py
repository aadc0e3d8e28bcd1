"""The images most alike: of the gallery beside a model file where there is one, else of its own."""

from collections.abc import Iterator

import torch
from torch import Tensor

from fewshot.heads.nearest import search
from fewshot.models.prediction.gallery_folder import GalleryFolder
from fewshot.models.prediction.prediction import Neighbour
from fewshot.models.references import Gallery


class Alike:
    """Finds neighbours; its length is how many images there are."""

    def __init__(self, own: Gallery | None, large: GalleryFolder | None) -> None:
        self._own, self._large = own, large

    def __len__(self) -> int:
        if self._large is not None:
            return len(self._large)
        return 0 if self._own is None else len(self._own.ids)

    @property
    def kept(self) -> str:
        """For the reader: what there is to be a neighbour."""
        if self._large is not None:
            return f"{len(self):,} images in the gallery beside it, '{self._large.place}'"
        why = "" if len(self) else " (only runs that train keep them)"
        return f"{len(self):,} labelled training images{why}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """By which distances images are compared: for neighbours, and by the model's own head."""
        head = {} if self._own is None or self._own.head is None else self._own.head["arguments"]
        return tuple(dict.fromkeys(["cosine", head.get("metric", "cosine")]))

    def __call__(self, features: Tensor, neighbours: int) -> list[list[Neighbour]]:
        """Features [B, D] -> so many of each, by cosine similarity, the most alike first."""
        if neighbours == 0:
            return [[] for _ in features]
        squared, rows = self._found(features, neighbours)
        both = zip(squared.tolist(), rows.tolist(), strict=True)
        return [list(self._named(distances, places)) for distances, places in both]

    def _found(self, features: Tensor, neighbours: int) -> tuple[Tensor, Tensor]:
        if self._large is not None:
            return self._large.nearest(features, neighbours)
        assert self._own is not None, "asked for no more than there are"
        support = self._own.features.to(features.device)
        one_class = torch.zeros(len(support), dtype=torch.int64, device=features.device)
        near = search(support, one_class, features, 1, neighbours, "cosine")
        return near.squared, near.rows

    def _named(self, distances: list[float], rows: list[int]) -> Iterator[Neighbour]:
        for squared, row in zip(distances, rows, strict=True):
            if row >= 0:  # an index may find fewer
                yield Neighbour(*self._told(row), 1 - squared / 2)

    def _told(self, row: int) -> tuple[str, str]:
        if self._large is not None:
            label = int(self._large.labels[row])
            return self._large.name(row), self._large.class_names[label] if label >= 0 else ""
        assert self._own is not None
        return self._own.ids[row], self._own.class_names[self._own.labels[row]]
