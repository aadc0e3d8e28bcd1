"""The rows of a split with their ids and class names, labelled or not."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.batch import IntArray
from fewshot.errors import UserError
from fewshot.interfaces import Dataset


@dataclass(frozen=True)
class SplitRows:
    """Row numbers [N] of a dataset, their ids [N] and class names [N], None where unlabelled."""

    rows: IntArray
    ids: NDArray[Any]
    names: NDArray[np.object_]

    @property
    def known(self) -> NDArray[np.bool_]:
        """bool [N]: the row has a label."""
        return np.array([name is not None for name in self.names], dtype=bool)

    def only(self, places: IntArray) -> "SplitRows":
        """The rows at some places of these."""
        return SplitRows(self.rows[places], self.ids[places], self.names[places])


def all_rows(dataset: Dataset) -> SplitRows:
    """Every row of a split."""
    # label -1 picks the last entry
    names = np.asarray([*dataset.class_names, None], dtype=object)
    return SplitRows(np.arange(len(dataset)), dataset.ids, names[dataset.labels])


def has_labels(dataset: Dataset | None) -> bool:
    """Whether any row has a label."""
    return (
        dataset is not None and len(dataset.class_names) > 0 and bool((dataset.labels >= 0).any())
    )


def labelled_rows(dataset: Dataset, split: str) -> SplitRows:
    """The labelled rows of a split; raises UserError when there are none."""
    if not has_labels(dataset):
        raise UserError(
            f"the {split} split has no labelled row, which its evaluation needs: bind "
            f"FashionDataset.label_column, or remove this evaluator from main.evaluators."
        )
    return all_rows(dataset).only(np.flatnonzero(dataset.labels >= 0))


def rows_of_classes(dataset: Dataset | None) -> dict[str, int]:
    """{class: labelled rows} of a dataset, the classes without rows left out; {} for None."""
    if dataset is None:
        return {}
    counts = np.bincount(dataset.labels[dataset.labels >= 0], minlength=len(dataset.class_names))
    return {name: int(n) for name, n in zip(dataset.class_names, counts, strict=True) if n}
