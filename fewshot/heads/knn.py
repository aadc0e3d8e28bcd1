"""k nearest neighbours in bounded memory: exact up to a number of references, by an index above."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import gin
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.heads.approximate import index_of, search_index
from fewshot.heads.geometry import check_float64, full_precision
from fewshot.heads.nearest import Nearest, search
from fewshot.heads.nearest_in_episodes import search_episodes

WEIGHTS = ("uniform", "distance")
METRICS = ("euclidean", "cosine")
EXACT_ROWS = 1_000_000

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
    exact_rows: int = EXACT_ROWS,
) -> Tensor:
    """The share of the k nearest references' votes that each class gets.

    support [S, D], labels int64 [S] in 0 .. n_classes - 1, query [Q, D] -> float64 [Q, n_classes];
    all three may have one leading episode dimension. Classes rank by votes, ties and voteless
    classes by their nearest reference, and of references equally far the lowest row is nearer; a
    class without references scores -inf. weights: 'uniform' or 'distance' (votes count 1 /
    distance; references at distance 0 outvote all others). class_balanced: a vote also counts 1 /
    number of references of its class. The result is exact, see heads/nearest.py; beyond its
    arguments and the scores, an unbatched call takes about 300 MB however many references there
    are, and however wide. exact_rows: above so many references an index is searched, whose recall
    is logged, see heads/vector_index.py. Raises UserError for an unknown option or k above S.
    """
    check_options("KNN", k, weights, metric)
    check_references("KNN", k, support.shape[-2])
    check_float64("KNN", query.device)
    with full_precision(support):
        if support.ndim == 2 and len(support) > exact_rows:
            found = search_index(index_of(support, metric), labels, query, n_classes, k)
        else:
            find = search_episodes if support.ndim == 3 else search
            found = find(support, labels, query, n_classes, k, metric)
    return votes(found, labels, weights, metric, class_balanced)


def votes(
    found: Nearest, labels: Tensor, weights: str, metric: str, class_balanced: bool
) -> Tensor:
    """Scores float64 [..., Q, C] of what was found among references with these labels [..., S]."""
    n_classes = found.of_class.shape[-1]
    squared = found.squared.double()
    cast = _vote_weights(squared / 2 if metric == "cosine" else squared.sqrt(), weights)
    cast = cast.masked_fill(found.rows < 0, 0)  # an index may find fewer than k
    rows = found.rows.clamp_min(0)
    classes = labels[rows] if labels.ndim == 1 else _take(labels, rows)
    if class_balanced:
        counts = F.one_hot(labels, n_classes).sum(-2) if labels.ndim == 2 else None
        if counts is None:
            cast = cast / torch.bincount(labels, minlength=n_classes)[classes]
        else:
            cast = cast / _take(counts, classes)
    cast = cast / cast.sum(-1, keepdim=True).clamp_min(torch.finfo(cast.dtype).tiny)
    share = cast.new_zeros(found.of_class.shape).scatter_add_(-1, classes, cast)
    return _break_ties(share, found)


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


def _vote_weights(distances: Tensor, weights: str) -> Tensor:
    if weights == "uniform":
        return torch.ones_like(distances)
    twins = distances == 0
    inverse = 1 / distances.masked_fill(twins, 1)
    return torch.where(twins.any(-1, keepdim=True), twins.to(distances.dtype), inverse)


def _break_ties(share: Tensor, found: Nearest) -> Tensor:
    n_classes = share.shape[-1]
    by_row = found.class_row.argsort(dim=-1, stable=True)
    order = by_row.gather(-1, found.of_class.gather(-1, by_row).argsort(dim=-1, stable=True))
    places = torch.arange(n_classes, 0, -1, dtype=share.dtype, device=share.device) / n_classes
    bonus = torch.empty_like(share).scatter_(-1, order, places.expand_as(share))
    return (share + _TIE_BREAK * bonus).masked_fill(found.of_class.isinf(), -torch.inf)


@gin.register
@dataclass(frozen=True)
class KNN:
    """The k nearest neighbours' vote; options as in `knn`."""

    k: int = 5
    weights: str = "uniform"
    metric: str = "euclidean"
    class_balanced: bool = False
    exact_rows: int = EXACT_ROWS
    transductive: ClassVar[bool] = False
    shares: ClassVar[bool] = True  # its scores are shares of votes, no logits

    def __post_init__(self) -> None:
        check_options("KNN", self.k, self.weights, self.metric)

    def __call__(self, support: Tensor, labels: Tensor, query: Tensor, n_classes: int) -> Tensor:
        """Scores [..., Q, n_classes]; see `knn`."""
        options = (self.k, self.weights, self.metric, self.class_balanced, self.exact_rows)
        return knn(support, labels, query, n_classes, *options)

    def fitted(self, support: Tensor, labels: Tensor, n_classes: int) -> Callable[[Tensor], Tensor]:
        """The same scores of query [Q, D], without sorting, for runtimes that cannot; rounded
        otherwise, so that neighbours at nearly the same distance may change places.
        """
        cosine = self.metric == "cosine"
        references = F.normalize(support.double(), dim=1) if cosine else support.double()
        lengths = references.square().sum(1)
        members = F.one_hot(labels, n_classes).bool()
        sizes = members.sum(0).double() if self.class_balanced else torch.ones(n_classes)

        def scores(query: Tensor) -> Tensor:
            exact = F.normalize(query.double(), dim=1) if cosine else query.double()
            squared = exact.square().sum(1, keepdim=True) + lengths - 2 * exact @ references.T
            squared = squared.clamp_min(0)
            nearest = squared.topk(self.k, 1, largest=False)
            distances = nearest.values / 2 if cosine else nearest.values.sqrt()
            votes = _vote_weights(distances, self.weights).unsqueeze(2)
            votes = votes * F.one_hot(labels[nearest.indices], n_classes) / sizes
            share = votes.sum(1) / votes.sum((1, 2)).unsqueeze(1)
            of_class = torch.stack([squared[:, own].amin(1) for own in members.T.unbind()], 1)
            behind = (of_class.unsqueeze(1) < of_class.unsqueeze(2)).sum(2)
            return share + _TIE_BREAK * (n_classes - behind) / n_classes

        return scores
