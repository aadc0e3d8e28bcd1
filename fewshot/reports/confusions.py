"""Which class was taken for which: only the pairs that occurred, however many classes there are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Confusions:
    """true, predicted int64 [P] and how often, counts int64 [P], among `size` classes; each pair
    once, in the order of (true, predicted).
    """

    true: IntArray
    predicted: IntArray
    counts: IntArray
    size: int

    @classmethod
    def of_rows(cls, truth: IntArray, predicted: IntArray, size: int) -> "Confusions":
        """From the true and the predicted class of each row."""
        cells, counts = np.unique(truth.astype(np.int64) * size + predicted, return_counts=True)
        return cls(cells // size, cells % size, counts, size)

    @classmethod
    def of_cells(cls, cells: IntArray, counts: IntArray, size: int) -> "Confusions":
        """From cells true * size + predicted, and how often each occurred; one may come twice."""
        once, places = np.unique(cells, return_inverse=True)
        sums = np.zeros(len(once), dtype=np.int64)
        np.add.at(sums, places, counts)
        return cls(once // size, once % size, sums, size)

    @classmethod
    def of_matrix(cls, counts: npt.NDArray[np.integer[Any]]) -> "Confusions":
        """From counts [C, C], row: true class, column: predicted; ValueError for other shapes."""
        if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
            raise ValueError(f"counts {counts.shape} are no square")
        true, predicted = np.nonzero(counts)
        return cls(true, predicted, counts[true, predicted].astype(np.int64), len(counts))

    def totals(self) -> IntArray:
        """Rows of each class [C]."""
        totals = np.zeros(self.size, dtype=np.int64)
        np.add.at(totals, self.true, self.counts)
        return totals

    def right(self) -> IntArray:
        """Rows of each class that were taken for it [C]."""
        hits = self.true == self.predicted
        right = np.zeros(self.size, dtype=np.int64)
        right[self.true[hits]] = self.counts[hits]
        return right

    def largest(self, limit: int) -> list[tuple[int, int, int]]:
        """(true, predicted, count) of the largest mistakes, largest first, ties in class order."""
        wrong = np.flatnonzero(self.true != self.predicted)
        order = wrong[np.argsort(-self.counts[wrong], kind="stable")[:limit]]
        cells = (self.true[order], self.predicted[order], self.counts[order])
        return list(zip(*(cell.tolist() for cell in cells), strict=True))

    def most_mistaken(self, limit: int) -> IntArray:
        """The classes with the most mistakes, as true or as predicted class; ascending."""
        mistakes = np.where(self.true == self.predicted, 0, self.counts)
        involved = np.zeros(self.size, dtype=np.int64)
        np.add.at(involved, self.true, mistakes)
        np.add.at(involved, self.predicted, mistakes)
        return np.sort(np.argsort(-involved, kind="stable")[:limit])

    def among(self, classes: IntArray) -> IntArray:
        """Counts [n, n] of the given classes alone."""
        place = np.full(self.size, -1, dtype=np.int64)
        place[classes] = np.arange(len(classes))
        kept = (place[self.true] >= 0) & (place[self.predicted] >= 0)
        matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
        matrix[place[self.true[kept]], place[self.predicted[kept]]] = self.counts[kept]
        return matrix
