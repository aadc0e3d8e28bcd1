"""The images that episodes may be drawn from: of classes never trained on, each of them once."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.batch import IntArray
from fewshot.errors import UserError
from fewshot.evaluation.episodes import Pool
from fewshot.evaluation.split_rows import labelled_rows
from fewshot.interfaces import Dataset

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
    dataset: Dataset, split: str, objective: Any, train: Dataset | None
) -> NovelImages:
    """The labelled rows of a split, each image once, without those that were learned from.

    Left out are exact twins of each other, of training rows, and of the images that a saved model
    was trained on. Raises UserError when a class was trained on, an image is a training row, or
    nothing is left.
    """
    found = labelled_rows(dataset, split)
    refuse_overlap(objective, train, found.names.tolist(), split)
    digests = dataset.image_digests()[found.rows]
    _, first = np.unique(digests, return_index=True)
    kept = np.sort(first)
    if len(kept) < len(found.rows):
        dropped = len(found.rows) - len(kept)
        logger.info("%s: %d exact twins of other images left out", split, dropped)
    if train is not None:
        refuse_shared_images(train.ids.tolist(), dataset.ids.tolist(), split)
        if (train.image_size, train.channels) == (dataset.image_size, dataset.channels):
            trained = np.isin(digests[kept], train.image_digests())
            if trained.any():
                logger.info("%s: %d exact twins of training images left out", split, trained.sum())
            kept = kept[~trained]
    kept = kept[~_learned_from_before(objective, digests[kept], split)]
    names, labels = np.unique(found.names[kept].astype(str), return_inverse=True)
    pool = Pool(labels, tuple(names.tolist()))
    return NovelImages(dataset, found.rows[kept], found.ids[kept], pool)


def _learned_from_before(objective: Any, digests: IntArray, split: str) -> NDArray[np.bool_]:
    """bool [N]: which images a saved model was trained on, without labels or under other ones."""
    seen = np.isin(digests, objective.inherited_images)
    if len(seen) and seen.all():
        raise UserError(
            f"the saved model was trained on every image of the {split} split, without labels or "
            "under other ones. Few-shot episodes are of images never trained on: bind other images "
            "or a model trained without these."
        )
    if seen.any():
        logger.warning(
            "%s: %d of %d images left out, which the saved model was trained on, without labels or "
            "under other ones",
            split,
            seen.sum(),
            len(seen),
        )
    return seen


def refuse_overlap(objective: Any, train: Dataset | None, novel: Iterable[str], split: str) -> None:
    """Raises UserError when a class of the split is one of the training rows or of the model."""
    shared = set(objective.trained_classes) & set(novel)
    if not shared:
        return
    more = f" and {len(shared) - 5} more" if len(shared) > 5 else ""
    listed = f"{', '.join(sorted(shared)[:5])}{more}"
    rule = "Few-shot episodes are of classes never trained on"
    remedy = _REMEDIES.get(split, "remove them from its CSV")
    if train is not None and shared <= set(train.class_names):
        raise UserError(
            f"classes of the {split} split that this run's training rows have, too: {listed}. "
            f"{rule}: {remedy}, or bind FashionDataset.csv_file to the CSV of the classes that the "
            "model is, or was, trained on."
        )
    raise UserError(
        f"classes of the {split} split that the model was trained on: {listed}. {rule}: {remedy}."
    )


def refuse_shared_images(trained: Sequence[Any], novel: Sequence[Any], split: str) -> None:
    """Raises UserError when an image of the split is a training row, with or without a label."""
    shared = sorted({str(name) for name in trained} & {str(name) for name in novel})
    if shared:
        raise UserError(
            f"{len(shared)} images of the {split} split are training rows, for example "
            f"{', '.join(shared[:5])}: remove them from one of the two CSVs."
        )
