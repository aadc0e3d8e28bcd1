"""Neighbours as `nearest.search` gives them, found by an index; for more references than that."""

import numpy as np
import torch
from torch import Tensor

from fewshot.heads.found import NO_ROW, Nearest
from fewshot.heads.vector_index import VectorIndex

_BLOCK = 1 << 20  # labels that are counted at a time
_CANDIDATES = 100  # neighbours looked up: classes beyond them are all equally far


def counts_of(labels: Tensor, n_classes: int) -> Tensor:
    """How many references int64 [n_classes] each class has; labels int [S], -1: of none."""
    counts = torch.zeros(n_classes, dtype=torch.int64, device=labels.device)
    for part in labels.split(_BLOCK):  # memory for them all may be what an index is to save
        counts += torch.bincount(part[part >= 0], minlength=n_classes)
    return counts


class Indexed:
    """References and their index: index of [S, D], labels int [S], -1: it is not looked at."""

    def __init__(self, index: VectorIndex, labels: Tensor, n_classes: int) -> None:
        self.index, self.labels = index, labels
        counts = counts_of(labels, n_classes)
        self._present, self._count = counts > 0, int(counts.sum())
        whole = self._count == len(labels)
        self._among = None if whole else np.packbits((labels >= 0).cpu().numpy(), bitorder="little")

    def search(self, query: Tensor, k: int) -> Nearest:
        """query [Q, D]; see `nearest.search`.

        What is found is near, but not always the nearest; distances are rounded to 8 bits a number.
        Where fewer than k are there, the rows of the others are -1, and they cast no vote. Classes
        that none of the 100 nearest belong to are all equally far, behind those of others.
        """
        candidates = max(k, min(_CANDIDATES, self._count))
        squared, rows = self._nearest(query, candidates, k)
        known, n_classes = rows >= 0, len(self._present)
        there = self._present.to(query.device)
        far = torch.where(there, torch.finfo(squared.dtype).max, torch.inf).to(squared.dtype)
        classes = self.labels.to(query.device)[rows.clamp_min(0)].clamp_min(0).long()
        of_class = far.expand(len(query), n_classes).clone()
        of_class.scatter_reduce_(1, classes, squared.masked_fill(~known, torch.inf), "amin")
        hits = torch.where(squared == of_class.gather(1, classes), rows, NO_ROW)
        class_row = torch.full_like(of_class, NO_ROW, dtype=torch.int64)
        class_row.scatter_reduce_(1, classes, hits.masked_fill(~known, NO_ROW), "amin")
        return Nearest(squared[:, :k], rows[:, :k], of_class, class_row)

    def _nearest(self, query: Tensor, candidates: int, k: int) -> tuple[Tensor, Tensor]:
        """Distances and rows [Q, candidates], in twice as many lists as long as a query's k nearest
        come nearer by it.

        The lists of the index are as many as find neighbours among all. Where some are not looked
        at, such as a query's own class, its neighbours are farther away, in other lists.
        """
        lists = self.index.index.nprobe
        squared, rows = self.index.search(query, candidates, self._among)
        unsure = torch.full_like(rows[:, 0], self._among is not None, dtype=torch.bool)
        some = (unsure | (rows[:, :k] < 0).any(1)).nonzero()[:, 0]
        while len(some) and lists < self.index.index.nlist:
            lists *= 2
            wider, others = self.index.search(query[some], candidates, self._among, lists)
            nearer = wider[:, :k] < squared[some, :k]
            squared[some], rows[some] = wider, others
            some = some[(nearer | (others[:, :k] < 0)).any(1)]
        return squared, rows
