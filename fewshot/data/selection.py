"""Which training rows are used: smaller label budgets, ranges of the data, classes large enough."""

import logging
from collections.abc import Sequence
from typing import Any

import gin
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot.batch import IntArray
from fewshot.data.splits.draw import held_out, places_in_class, rows_of_class
from fewshot.errors import UserError

logger = logging.getLogger("fewshot")


@gin.register
class SelectRows:
    """Training rows by fraction, then images per class, then a least number of rows per class.

    fraction: a share of every class, 0.5, or a range of it, (0.1, 0.2): ranges that do not overlap
    share no row, and (0, f) lies within (0, g) for f < g; shares are rounded to whole rows, class
    by class, so a class may lose all. per_class: at most so many rows of each class, the ones for n
    among the ones for n + 1. min_per_class: classes left with fewer rows are removed, and named in
    the log. Which rows are chosen depends on the seed and on the rows' ids, not on their order.
    Unlabelled data know only `fraction`. Raises UserError for numbers that make no sense.
    """

    def __init__(
        self,
        min_per_class: int | None = None,
        per_class: int | None = None,
        fraction: float | tuple[float, float] | None = None,
    ) -> None:
        for name, value in (("min_per_class", min_per_class), ("per_class", per_class)):
            if value is not None and not _is_count(value):
                raise UserError(f"SelectRows.{name} is a whole number from 1 on, not {value!r}.")
        if min_per_class is not None and per_class is not None and per_class < min_per_class:
            raise UserError(
                f"SelectRows.per_class={per_class} leaves no class with min_per_class="
                f"{min_per_class} rows: raise the first or lower the second."
            )
        self.min_per_class = min_per_class
        self.per_class = per_class
        self.range = None if fraction is None else _range(fraction)

    def __call__(
        self, table: pd.DataFrame, labels: IntArray, class_names: Sequence[str], seed: int
    ) -> IntArray:
        """Indices of the rows kept, int64, ascending.

        table: the N rows, with their column id; labels: int64 [N] into class_names, -1 where
        unlabelled (rows of no class, which per_class and min_per_class leave out). Raises UserError
        when nothing, or one class only, is left.
        """
        by_class = self.per_class is not None or self.min_per_class is not None
        if by_class and not (labels >= 0).any():
            raise UserError(
                "SelectRows.per_class and SelectRows.min_per_class need labels, but the training "
                "rows have none: bind FashionDataset.label_column, or bind fraction alone."
            )
        ids = table["id"].to_numpy()
        rows = np.arange(len(labels))
        if self.range is not None:
            rows = rows[self._in_range(ids, labels, seed)]
            lost = np.setdiff1d(labels, labels[rows])
            _log_removed(lost, class_names, f"no row in the fraction {self.range}")
        if by_class:
            rows = rows[labels[rows] >= 0]
        if self.per_class is not None:
            rows = rows[_places(ids[rows], labels[rows], seed) < self.per_class]
        if self.min_per_class is not None:
            small = rows_of_class(labels[rows]) < self.min_per_class
            reason = f"fewer than {self.min_per_class} rows"
            _log_removed(np.unique(labels[rows[small]]), class_names, reason)
            rows = rows[~small]
        self._check(labels[rows], class_names)
        return rows

    def _in_range(self, ids: NDArray[Any], labels: IntArray, seed: int) -> NDArray[np.bool_]:
        assert self.range is not None
        places, counts = _places(ids, labels, seed), rows_of_class(labels)
        low, high = (np.floor(counts * edge + 0.5) for edge in self.range)
        return np.asarray((low <= places) & (places < high))

    def _check(self, labels: IntArray, class_names: Sequence[str]) -> None:
        """Refuse a selection that nothing can be learnt from."""
        what = ", ".join(
            f"{name}={value}"
            for name, value in (
                ("fraction", self.range),
                ("per_class", self.per_class),
                ("min_per_class", self.min_per_class),
            )
            if value is not None
        )
        if not len(labels):
            raise UserError(f"SelectRows leaves no training row ({what}): select more.")
        present = np.unique(labels)
        if len(present) == 1 and present[0] >= 0:
            raise UserError(
                f"SelectRows leaves one class only, '{class_names[present[0]]}' ({what}): "
                "at least two are needed."
            )


def split_validation(
    ids: NDArray[Any], labels: IntArray, fraction: float, seed: int
) -> tuple[IntArray, IntArray]:
    """Training and validation rows, each ascending: a seeded draw by id, stratified by label.

    ids: str [N]: moving or adding rows draws the same ids; labels: int64 [N], where -1 (unlabelled)
    counts as one more class, so that unlabelled data are split at random. The validation part is
    the fraction of all rows in classes of two rows or more, at least one; each class gives its
    share rounded down or up, and keeps at least one row to train on. Raises UserError for a
    fraction not between 0 and 1, or when no class has two rows.
    """
    if not 0 < fraction < 1:
        raise UserError(f"the validation fraction lies between 0 and 1, not at {fraction}.")
    validation = held_out(labels, ids.tolist(), fraction, seed, "validation")
    if not len(validation):
        raise UserError(
            f"none of the {len(labels)} training rows can be set apart to validate on, because no "
            "class has two: add rows, bind validation/FashionDataset.csv_file, or bind "
            "main.validation_fraction = 0."
        )
    train = np.setdiff1d(np.arange(len(labels)), validation, assume_unique=True)
    return train, validation


def _places(ids: NDArray[Any], labels: IntArray, seed: int) -> IntArray:
    return places_in_class(labels, ids.tolist(), seed, "selection")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _range(fraction: float | tuple[float, float]) -> tuple[float, float]:
    """(low, high) with 0 <= low < high <= 1; a single share starts at 0."""
    edges = fraction if isinstance(fraction, tuple | list) else (0.0, fraction)
    numbers = len(edges) == 2 and all(isinstance(edge, int | float) for edge in edges)
    if not numbers or not 0 <= edges[0] < edges[1] <= 1:
        raise UserError(
            "SelectRows.fraction is a share such as 0.5 or a range such as (0.1, 0.2), between 0 "
            f"and 1, not {fraction!r}."
        )
    return float(edges[0]), float(edges[1])


def _log_removed(classes: IntArray, class_names: Sequence[str], reason: str) -> None:
    names = [class_names[i] for i in classes.tolist() if i >= 0]
    if names:
        logger.info("removed %d classes with %s: %s", len(names), reason, ", ".join(names))
