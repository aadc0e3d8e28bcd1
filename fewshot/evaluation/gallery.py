"""The labelled training embeddings that queries are compared with."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewshot import seeding
from fewshot.batch import IntArray
from fewshot.errors import UserError
from fewshot.evaluation.inference import embed
from fewshot.interfaces import Dataset

logger = logging.getLogger("fewshot")


@dataclass(frozen=True)
class Gallery:
    """Embeddings [G, D] and labels int64 [G] into class_names, each of which has a row."""

    features: Tensor
    labels: Tensor
    class_names: tuple[str, ...]

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

    Raises UserError when there is no labelled training row.
    """
    if dataset is None or not (dataset.labels >= 0).any():
        raise UserError(
            "there is no labelled training row to compare with: bind FashionDataset.csv_file and "
            "FashionDataset.label_column."
        )
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
