"""Exact k nearest neighbours in bounded memory."""

from dataclasses import dataclass
from typing import ClassVar

import gin
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.heads.geometry import full_precision

WEIGHTS = ("uniform", "distance")
METRICS = ("euclidean", "cosine")

# Numbers in a block of references, of distances, or of differences: 64 MB in float32, of which a
# few are alive at a time.
_BLOCK = 2**24
_QUERY_CHUNK = 1024
# Candidates kept beyond k: their distances are computed again by subtraction, so that the rounding
# of the matrix product cannot change the k neighbours.
_SPARE = 8
# Classes of equal votes are parted by less than one unit in the ninth decimal of the vote share.
_TIE_BREAK = 1e-9


def knn(
    support: Tensor,
    labels: Tensor,
    query: Tensor,
    n_classes: int,
    k: int = 5,
    weights: str = "uniform",
    metric: str = "euclidean",
    class_balanced: bool = False,
) -> Tensor:
    """The share of the k nearest references' votes that each class gets.

    support [S, D], labels int64 [S] in 0 .. n_classes - 1, query [Q, D] -> float64 [Q, n_classes];
    all three may have one leading episode dimension. Classes rank by votes, ties and voteless
    classes by their nearest reference; a class without references scores -inf. weights: 'uniform'
    or 'distance' (votes count 1 / distance; references at distance 0 outvote all others).
    class_balanced: a vote also counts 1 / number of references of its class. The result is exact;
    beyond its arguments and the scores, an unbatched call takes about 300 MB however many
    references there are, and however wide. Raises UserError for an unknown option or k above S.
    """
    check_options("KNN", k, weights, metric)
    check_references("KNN", k, support.shape[-2])
    with full_precision(support):
        search = _search_episodes if support.ndim == 3 else _search
        squared, neighbours, nearest = search(support, labels, query, n_classes, k, metric)
    distances = squared / 2 if metric == "cosine" else squared.sqrt()
    votes = _vote_weights(distances.double(), weights)
    classes = labels[neighbours] if labels.ndim == 1 else _take(labels, neighbours)
    if class_balanced:
        counts = F.one_hot(labels, n_classes).sum(-2) if labels.ndim == 2 else None
        if counts is None:
            votes = votes / torch.bincount(labels, minlength=n_classes)[classes]
        else:
            votes = votes / _take(counts, classes)
    votes = votes / votes.sum(-1, keepdim=True)
    share = votes.new_zeros(nearest.shape).scatter_add_(-1, classes, votes)
    return _break_ties(share, nearest)


def check_options(owner: str, k: int, weights: str, metric: str) -> None:
    """Raises UserError for options that do not exist, by the name they are bound to."""
    if k < 1:
        raise UserError(f"{owner}.k is {k}: use 1 or more.")
    if weights not in WEIGHTS:
        raise UserError(f"{owner}.weights is '{weights}': use one of {', '.join(WEIGHTS)}.")
    if metric not in METRICS:
        raise UserError(f"{owner}.metric is '{metric}': use one of {', '.join(METRICS)}.")


def check_references(owner: str, k: int, references: int) -> None:
    """Raises UserError where there are fewer references than neighbours are asked for."""
    if k > references:
        raise UserError(
            f"{owner}.k is {k}, but there are {references} references: use k from 1 to "
            f"{references}."
        )


def _take(table: Tensor, columns: Tensor) -> Tensor:
    """table [E, N] at columns [E, Q, k] -> [E, Q, k]."""
    return table.gather(1, columns.flatten(1)).view_as(columns)


def _search(
    support: Tensor, labels: Tensor, query: Tensor, n_classes: int, k: int, metric: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Squared distances and rows [Q, k] of the neighbours; [Q, C], of each class's nearest."""
    query, centre = _placed(query, support, metric)
    n_candidates = min(k + _SPARE, len(support))
    best = query.new_full((len(query), n_candidates), torch.inf)
    rows = torch.zeros_like(best, dtype=torch.int64)
    nearest = query.new_full((len(query), n_classes), torch.inf)
    # In order of class, so that the nearest of each class is the minimum of a slice.
    for some in labels.argsort(stable=True).split(_rows_of_a_block(support)):
        references = _origin_moved(support[some], centre, metric)
        lengths = references.square().sum(1)
        present, sizes = labels[some].unique_consecutive(return_counts=True)
        for start in range(0, len(query), _QUERY_CHUNK):
            part = slice(start, start + _QUERY_CHUNK)
            # The query's own squared length is left out: it changes no order within a row.
            partial = torch.addmm(lengths, query[part], references.T, alpha=-2)
            blocks = partial.split(sizes.tolist(), 1)
            for label, block in zip(present.tolist(), blocks, strict=True):
                nearest[part, label] = torch.minimum(nearest[part, label], block.amin(1))
            values, columns = partial.topk(min(n_candidates, len(some)), 1, False, False)
            values = torch.cat([best[part], values], 1)
            found = torch.cat([rows[part], some[columns]], 1)
            best[part], kept = values.topk(n_candidates, 1, False, False)
            rows[part] = found.gather(1, kept)
    nearest = (nearest + query.square().sum(1, keepdim=True)).clamp_(min=0)
    squared = _by_subtraction(query, support, rows, centre, metric)
    refined = torch.full_like(nearest, torch.inf)
    refined.scatter_reduce_(1, labels[rows], squared, "amin")
    nearest = torch.where(refined.isfinite(), refined, nearest)
    rows, order = rows.sort(1)
    squared, kept = squared.gather(1, order).sort(dim=1, stable=True)
    return squared[:, :k], rows.gather(1, kept)[:, :k], nearest


def _rows_of_a_block(support: Tensor) -> int:
    """How many rows of the support make a block, their distances to a part of the queries, too."""
    return max(1, _BLOCK // max(_QUERY_CHUNK, support.shape[1]))


def _placed(query: Tensor, support: Tensor, metric: str) -> tuple[Tensor, Tensor]:
    """The queries as they are compared, and the origin they are compared about."""
    # Distances do not change with the origin; near it, the products they come from are exact.
    centre = support.mean(0) if metric == "euclidean" else support.new_zeros(support.shape[1])
    return _origin_moved(query, centre, metric), centre


def _origin_moved(features: Tensor, centre: Tensor, metric: str) -> Tensor:
    # Of unit vectors, the cosine distance is half the squared Euclidean one.
    return F.normalize(features, dim=-1) if metric == "cosine" else features - centre


def _by_subtraction(
    query: Tensor, support: Tensor, rows: Tensor, centre: Tensor, metric: str
) -> Tensor:
    """Squared distances [Q, n] of each query to its own rows [Q, n] of the support."""
    step = max(1, _rows_of_a_block(support) // max(1, rows.shape[1]))
    parts = [
        (_origin_moved(support[some], centre, metric) - part.unsqueeze(1)).square().sum(2)
        for part, some in zip(query.split(step), rows.split(step), strict=True)
    ]
    return torch.cat(parts) if parts else query.new_empty(rows.shape)


def _search_episodes(
    support: Tensor, labels: Tensor, query: Tensor, n_classes: int, k: int, metric: str
) -> tuple[Tensor, Tensor, Tensor]:
    """As `_search`, a leading dimension of episodes, each small enough for one distance matrix."""
    if metric == "cosine":
        support, query = F.normalize(support, dim=-1), F.normalize(query, dim=-1)
    exact = "donot_use_mm_for_euclid_dist"
    squared = torch.cdist(query, support, compute_mode=exact).square()
    nearest = squared.new_full((*squared.shape[:2], n_classes), torch.inf)
    nearest.scatter_reduce_(2, labels.unsqueeze(1).expand(squared.shape), squared, "amin")
    distances, neighbours = squared.sort(dim=2, stable=True)
    return distances[..., :k], neighbours[..., :k], nearest


def _vote_weights(distances: Tensor, weights: str) -> Tensor:
    if weights == "uniform":
        return torch.ones_like(distances)
    twins = distances == 0
    inverse = 1 / distances.masked_fill(twins, 1)
    return torch.where(twins.any(-1, keepdim=True), twins.to(distances.dtype), inverse)


def _break_ties(share: Tensor, nearest: Tensor) -> Tensor:
    n_classes = share.shape[-1]
    order = nearest.argsort(dim=-1, stable=True)
    places = torch.arange(n_classes, 0, -1, dtype=share.dtype, device=share.device) / n_classes
    bonus = torch.empty_like(share).scatter_(-1, order, places.expand_as(share))
    return (share + _TIE_BREAK * bonus).masked_fill(nearest.isinf(), -torch.inf)


@gin.register
@dataclass(frozen=True)
class KNN:
    """The k nearest neighbours' vote; options as in `knn`."""

    k: int = 5
    weights: str = "uniform"
    metric: str = "euclidean"
    class_balanced: bool = False
    transductive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_options("KNN", self.k, self.weights, self.metric)

    def __call__(self, support: Tensor, labels: Tensor, query: Tensor, n_classes: int) -> Tensor:
        """Scores [..., Q, n_classes]; see `knn`."""
        options = (self.k, self.weights, self.metric, self.class_balanced)
        return knn(support, labels, query, n_classes, *options)
