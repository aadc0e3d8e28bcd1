"""Recall@k, MAP@R and R-precision of nearest-neighbour search."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewshot.precision import full_precision
from fewshot.progress import followed

RECALL_AT = (1, 5, 10)

_CELLS = 1 << 25  # of the distance matrix held at a time: 128 MB in float32


@dataclass(frozen=True)
class Searched:
    """One side of a search: features [N, D], labels int64 [N], and image digests int64 [N] or None.

    Where both sides have digests, a query never retrieves an image of its own digest.
    """

    features: Tensor
    labels: Tensor
    digests: Tensor | None = None


def retrieval(query: Searched, gallery: Searched, itself: bool = False) -> dict[str, Tensor]:
    """{recall_at_1, recall_at_5, recall_at_10, map_at_r, r_precision: float64 [Q]}.

    MAP@R and R-precision as in https://arxiv.org/abs/2003.08505, R being the number of gallery
    images of the query's class. itself: the gallery is the query set, and row i never retrieves
    row i. A query without a relevant gallery image is nan throughout.
    """
    counts = torch.bincount(gallery.labels, minlength=int(query.labels.max()) + 1)
    relevant = counts[query.labels] - int(itself)
    names = [*(f"recall_at_{k}" for k in RECALL_AT), "map_at_r", "r_precision"]
    found = torch.full((len(names), len(relevant)), torch.nan, dtype=torch.float64)
    found = found.to(relevant.device)
    # Queries of small classes first: a chunk sorts no deeper than its largest class.
    order = relevant.argsort(stable=True)
    with full_precision(query.features):
        centre = gallery.features.mean(0)
        references = gallery.features - centre
        parts = order.split(max(1, _CELLS // len(references)))
        for rows in followed(parts, "retrieval", "parts"):
            features = query.features[rows] - centre
            distances = torch.addmm(references.square().sum(1), features, references.T, alpha=-2)
            r = relevant[rows]
            if itself:
                distances[torch.arange(len(rows), device=rows.device), rows] = torch.inf
            if query.digests is not None and gallery.digests is not None:
                twins = query.digests[rows].unsqueeze(1) == gallery.digests
                alike = query.labels[rows].unsqueeze(1) == gallery.labels
                r = r - ((twins & alike & distances.isfinite()).sum(1))
                distances.masked_fill_(twins, torch.inf)
            found[:, rows] = _of_chunk(distances, gallery.labels, query.labels[rows], r)
    return dict(zip(names, found, strict=True))


def _of_chunk(distances: Tensor, labels: Tensor, truth: Tensor, relevant: Tensor) -> Tensor:
    """The metrics [5, q] of distances [q, G], in which excluded images are at infinity."""
    depth = min(max(int(relevant.max()), *RECALL_AT), distances.shape[1])
    values, columns = distances.topk(depth, dim=1, largest=False, sorted=True)
    hits = (labels[columns] == truth.unsqueeze(1)) & values.isfinite()
    place = torch.arange(1, depth + 1, device=distances.device)
    first = hits & (place <= relevant.unsqueeze(1))
    precision = hits.cumsum(1).double() / place
    r = relevant.double()
    rows = [hits[:, :k].any(1).double() for k in RECALL_AT]
    rows += [(precision * first).sum(1) / r, first.sum(1) / r]
    return torch.stack(rows).masked_fill(relevant == 0, torch.nan)
