"""Neighbours as `nearest.search` gives them, found by an index; for more references than that."""

import numpy as np
import torch
from torch import Tensor

from fewshot.heads.nearest import NO_ROW, Nearest
from fewshot.heads.vector_index import VectorIndex

_CANDIDATES = 100  # neighbours looked up: classes beyond them are all equally far


class Indexed:
    """References and their index: index of [S, D], labels int64 [S], -1: it is not looked at."""

    def __init__(self, index: VectorIndex, labels: Tensor, n_classes: int) -> None:
        self.index, self.labels = index, labels
        looked_at = labels >= 0
        counts = torch.bincount(labels[looked_at], minlength=n_classes)
        self._present, self._count = counts > 0, int(counts.sum())
        whole = self._count == len(labels)
        self._among = None if whole else np.packbits(looked_at.cpu().numpy(), bitorder="little")

    def search(self, query: Tensor, k: int) -> Nearest:
        """query [Q, D]; see `nearest.search`.

        What is found is near, but not always the nearest; distances are rounded to 8 bits a number.
        Where fewer than k are found, the rows of the others are -1, and they cast no vote. Classes
        that none of the 100 nearest belong to are all equally far, behind those of others.
        """
        candidates = max(k, min(_CANDIDATES, self._count))
        squared, rows = self.index.search(query, candidates, self._among)
        known, n_classes = rows >= 0, len(self._present)
        there = self._present.to(query.device)
        far = torch.where(there, torch.finfo(squared.dtype).max, torch.inf).to(squared.dtype)
        classes = self.labels.to(query.device)[rows.clamp_min(0)].clamp_min(0)
        of_class = far.expand(len(query), n_classes).clone()
        of_class.scatter_reduce_(1, classes, squared.masked_fill(~known, torch.inf), "amin")
        hits = torch.where(squared == of_class.gather(1, classes), rows, NO_ROW)
        class_row = torch.full_like(of_class, NO_ROW, dtype=torch.int64)
        class_row.scatter_reduce_(1, classes, hits.masked_fill(~known, NO_ROW), "amin")
        return Nearest(squared[:, :k], rows[:, :k], of_class, class_row)
