"""The images that episodes may be drawn from: of classes never trained on, each of them once."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import UserError
from fewshot.evaluation.classification_metrics import labelled
from fewshot.evaluation.episodes import Pool
from fewshot.evaluation.fingerprints import fingerprints
from fewshot.interfaces import Dataset, IntArray

logger = logging.getLogger("fewshot")

# what makes a split without a CSV of its own an episodes' split, and how to go without it
_REMEDIES = {
    "validation": "bind validation/FashionDataset.csv_file to a CSV of other classes, or "
    "main.validation_fraction = 0",
    "test": "bind test/FashionDataset.csv_file to a CSV of other classes, or to None",
}


@dataclass(frozen=True)
class NovelImages:
    """rows int64 [N] of the dataset and their ids [N]; pool: their labels and class names."""

    dataset: Dataset
    rows: IntArray
    ids: NDArray[Any]
    pool: Pool


def novel_images(
    dataset: Dataset, split: str, trained_classes: Sequence[str], train: Dataset | None
) -> NovelImages:
    """The labelled rows of a split without exact twins: of each other, or of training rows.

    Raises UserError when a class was trained on, or an image is a training row.
    """
    found = labelled(dataset, split)
    refuse_overlap(trained_classes, found.labels.tolist(), split)
    prints = fingerprints(dataset, found.rows)
    _, first = np.unique(prints, return_index=True)
    kept = np.sort(first)
    if len(kept) < len(found.rows):
        dropped = len(found.rows) - len(kept)
        logger.info("%s: %d exact twins of other images left out", split, dropped)
    if train is not None:
        refuse_shared_images(train.ids.tolist(), dataset.ids.tolist(), split)
        if (train.image_size, train.channels) == (dataset.image_size, dataset.channels):
            trained = np.isin(prints[kept], fingerprints(train, np.arange(len(train))))
            if trained.any():
                logger.info("%s: %d exact twins of training images left out", split, trained.sum())
            kept = kept[~trained]
    names, labels = np.unique(found.labels[kept].astype(str), return_inverse=True)
    pool = Pool(labels, tuple(names.tolist()))
    return NovelImages(dataset, found.rows[kept], found.ids[kept], pool)


def refuse_overlap(trained: Sequence[str], novel: Sequence[str], split: str) -> None:
    """Raises UserError when a class of the split was trained on."""
    shared = sorted(set(trained) & set(novel))
    if shared:
        more = f" and {len(shared) - 5} more" if len(shared) > 5 else ""
        remedy = _REMEDIES.get(split, "remove them from its CSV")
        raise UserError(
            f"classes of the {split} split that the model was trained on: "
            f"{', '.join(shared[:5])}{more}. Few-shot episodes are of classes never trained on: "
            f"{remedy}."
        )


def refuse_shared_images(trained: Sequence[Any], novel: Sequence[Any], split: str) -> None:
    """Raises UserError when an image of the split is a training row, with or without a label."""
    shared = sorted({str(name) for name in trained} & {str(name) for name in novel})
    if shared:
        raise UserError(
            f"{len(shared)} images of the {split} split are training rows, for example "
            f"{', '.join(shared[:5])}: remove them from one of the two CSVs."
        )
