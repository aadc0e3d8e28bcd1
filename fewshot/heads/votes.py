"""What the nearest references vote for."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.heads.found import Nearest

# Classes of equal votes are parted by less than one unit in the ninth decimal of the vote share.
TIE_BREAK = 1e-9


def votes(
    found: Nearest, labels: Tensor, weights: str, metric: str, class_balanced: bool
) -> Tensor:
    """Scores float64 [..., Q, C] of what was found among references with these labels [..., S].

    Of an unbatched call, labels may be of any width, and -1 where a reference cannot be found.
    """
    n_classes = found.of_class.shape[-1]
    squared = found.squared.double()
    cast = vote_weights(squared / 2 if metric == "cosine" else squared.sqrt(), weights)
    cast = cast.masked_fill(found.rows < 0, 0)  # an index may find fewer than k
    rows = found.rows.clamp_min(0)
    # what is missing casts no vote, whatever class is put in its place
    classes = labels[rows].long().clamp_min(0) if labels.ndim == 1 else _take(labels, rows)
    if class_balanced:
        counts = F.one_hot(labels, n_classes).sum(-2) if labels.ndim == 2 else None
        if counts is None:
            known = labels[labels >= 0]
            counts = torch.bincount(known, minlength=n_classes).clamp_min(1)
            cast = cast / counts[classes]
        else:
            cast = cast / _take(counts, classes)
    cast = cast / cast.sum(-1, keepdim=True).clamp_min(torch.finfo(cast.dtype).tiny)
    share = cast.new_zeros(found.of_class.shape).scatter_add_(-1, classes, cast)
    return _break_ties(share, found)


def vote_weights(distances: Tensor, weights: str) -> Tensor:
    """What the votes of neighbours so far away [..., k] count, by the option of that name."""
    if weights == "uniform":
        return torch.ones_like(distances)
    twins = distances == 0
    inverse = 1 / distances.masked_fill(twins, 1)
    return torch.where(twins.any(-1, keepdim=True), twins.to(distances.dtype), inverse)


def _take(table: Tensor, columns: Tensor) -> Tensor:
    """table [E, N] at columns [E, Q, k] -> [E, Q, k]."""
    return table.gather(1, columns.flatten(1)).view_as(columns)


def _break_ties(share: Tensor, found: Nearest) -> Tensor:
    n_classes = share.shape[-1]
    by_row = found.class_row.argsort(dim=-1, stable=True)
    order = by_row.gather(-1, found.of_class.gather(-1, by_row).argsort(dim=-1, stable=True))
    places = torch.arange(n_classes, 0, -1, dtype=share.dtype, device=share.device) / n_classes
    bonus = torch.empty_like(share).scatter_(-1, order, places.expand_as(share))
    return (share + TIE_BREAK * bonus).masked_fill(found.of_class.isinf(), -torch.inf)
