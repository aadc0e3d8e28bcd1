"""The labelled training embeddings that queries are compared with."""

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewshot import seeding
from fewshot.batch import IntArray
from fewshot.errors import UserError
from fewshot.evaluation.inference import embed
from fewshot.evaluation.naming import prefixed, titled
from fewshot.evaluation.outputs import EvaluatedSplit
from fewshot.heads.against import Scores, against
from fewshot.interfaces import Dataset, Head
from fewshot.sections import Note, Section

logger = logging.getLogger("fewshot")


@dataclass(frozen=True)
class Gallery:
    """Embeddings [G, D] and labels int64 [G] into class_names, each of which has a row."""

    features: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    _made: list[tuple[Head, Scores]] = field(default_factory=list, repr=False, compare=False)

    def scores_by(self, head: Head) -> Scores:
        """What gives a head's scores [Q, classes] of a query [Q, D].

        What the head makes of the gallery, such as an index, is made once, and released with it.
        """
        for known, scores in self._made:
            if known == head:
                return scores
        scores = against(head, self.features, self.labels, len(self.class_names))
        self._made.append((head, scores))
        return scores

    def only(self, class_names: Collection[str]) -> "Gallery":
        """The part of the gallery that belongs to the given classes."""
        kept = [i for i, name in enumerate(self.class_names) if name in class_names]
        renumbered = torch.full((len(self.class_names),), -1, device=self.labels.device)
        renumbered[kept] = torch.arange(len(kept), device=self.labels.device)
        labels = renumbered[self.labels]
        names = tuple(self.class_names[i] for i in kept)
        return Gallery(self.features[labels >= 0], labels[labels >= 0], names)


def embed_gallery(
    objective: Any, dataset: Dataset | None, max_references: int | None = None
) -> Gallery:
    """The gallery of a training split, or of a stratified part of it.

    Of an EvaluatedSplit it is one for all evaluators. Raises UserError when there is no labelled
    training row.
    """
    if dataset is None or not (dataset.labels >= 0).any():
        raise UserError(
            "there is no labelled training row to compare with: bind FashionDataset.csv_file and "
            "FashionDataset.label_column."
        )
    if isinstance(dataset, EvaluatedSplit) and dataset.objective is objective:
        key = ("gallery", max_references)
        return dataset.once(key, lambda: _embedded(objective, dataset, max_references))
    return _embedded(objective, dataset, max_references)


def told_of(scores: Any, prefix: str = "") -> tuple[dict[str, Any], list[Section]]:
    """What is to be reported of what a head made of a gallery: figures, and a section on them."""
    figures = getattr(scores, "figures", None)
    if not figures:
        return {}, []
    return prefixed(figures, prefix), [
        Section(titled(prefix, "Search of the gallery"), [Note(scores.told())], 22)
    ]


def _embedded(objective: Any, dataset: Dataset, max_references: int | None) -> Gallery:
    rows = stratified_rows(dataset.labels, max_references)
    present, labels = np.unique(dataset.labels[rows], return_inverse=True)
    features = embed(objective, dataset, rows=rows)
    names = tuple(dataset.class_names[i] for i in present)
    return Gallery(features, torch.from_numpy(labels).to(features.device), names)


def stratified_rows(labels: IntArray, limit: int | None) -> IntArray:
    """Ascending rows with a label, at most `limit`, in the proportions of the classes.

    Always the same rows for the same labels; every class keeps one at least, even where that
    exceeds the limit. Raises UserError for a limit below 1.
    """
    if limit is not None and limit < 1:
        raise UserError(f"max_references is {limit}: use 1 or more, or None for all rows.")
    known = np.flatnonzero(labels >= 0)
    if limit is None or limit >= len(known):
        return known
    # A random order, then each class spread evenly over [0, 1): the smallest places are a
    # stratified sample of any size.
    order = known[seeding.generator("references", len(known)).permutation(len(known))]
    order = order[np.argsort(labels[order], kind="stable")]
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    within = np.arange(len(order)) - np.repeat(starts, counts)
    place = (within + 0.5) / np.repeat(counts, counts)
    place[within == 0] = -1
    kept = np.argsort(place, kind="stable")[: max(limit, len(counts))]
    return np.sort(order[kept])
