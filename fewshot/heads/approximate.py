"""Neighbours as `nearest.search` gives them, found by an index; for more references than that."""

import weakref

import torch
from torch import Tensor

from fewshot.heads.nearest import NO_ROW, Nearest
from fewshot.heads.vector_index import VectorIndex, built

_CANDIDATES = 100  # neighbours looked up: classes beyond them are all equally far

# The index of the references that were last asked for: a head is called for some queries at a
# time, and an index takes minutes. Features of a gallery are never written to.
_last: list[tuple[weakref.ref[Tensor], str, VectorIndex]] = []


def index_of(support: Tensor, metric: str) -> VectorIndex:
    """The index of the references [S, D], made once; raises UserError where faiss is missing."""
    for known, kind, index in _last:
        if known() is support and kind == metric:
            return index
    _last.clear()
    index = built(support.detach().cpu().float().numpy(), metric)
    _last.append((weakref.ref(support, lambda _: _last.clear()), metric, index))
    return index


def search_index(
    index: VectorIndex, labels: Tensor, query: Tensor, n_classes: int, k: int
) -> Nearest:
    """query [Q, D], labels int64 [S] of the index's vectors; see `nearest.search`.

    What is found is near, but not always the nearest; distances are rounded to 8 bits a number.
    Where fewer than k are found, the rows of the others are -1, and they cast no vote. Classes
    that none of the 100 nearest belong to are all equally far, behind those of others.
    """
    squared, rows = index.search(query, max(k, min(_CANDIDATES, len(labels))))
    known = rows >= 0
    present = torch.bincount(labels, minlength=n_classes) > 0
    far = torch.where(present.to(query.device), torch.finfo(squared.dtype).max, torch.inf)
    classes = labels.to(query.device)[rows.clamp_min(0)]
    of_class = far.expand(len(query), n_classes).clone()
    of_class.scatter_reduce_(1, classes, squared.masked_fill(~known, torch.inf), "amin")
    hits = torch.where(squared == of_class.gather(1, classes), rows, NO_ROW)
    class_row = torch.full_like(of_class, NO_ROW, dtype=torch.int64)
    class_row.scatter_reduce_(1, classes, hits.masked_fill(~known, NO_ROW), "amin")
    return Nearest(squared[:, :k], rows[:, :k], of_class, class_row)
