"""k nearest neighbours in bounded memory: exact up to a number of references, by an index above."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import gin
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.heads.approximate import Indexed
from fewshot.heads.comparing import imported_faiss
from fewshot.heads.geometry import check_float64
from fewshot.heads.nearest import search
from fewshot.heads.nearest_in_episodes import search_episodes
from fewshot.heads.vector_index import VectorIndex, built
from fewshot.heads.votes import TIE_BREAK, vote_weights, votes
from fewshot.precision import full_precision

logger = logging.getLogger("fewshot")

WEIGHTS = ("uniform", "distance")
METRICS = ("euclidean", "cosine")
EXACT_ROWS = 1_000_000


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
    classes by their nearest reference, and of references equally far the lowest row is nearer; a
    class without references scores -inf. weights: 'uniform' or 'distance' (votes count 1 /
    distance; references at distance 0 outvote all others). class_balanced: a vote also counts 1 /
    number of references of its class. The result is exact, see heads/nearest.py; beyond its
    arguments and the scores, an unbatched call takes about 300 MB however many references there
    are, and however wide. Raises UserError for an unknown option or k above S.
    """
    check_options("KNN", k, weights, metric)
    check_references("KNN", k, support.shape[-2])
    check_float64("KNN", query.device)
    with full_precision(support):
        find = search_episodes if support.ndim == 3 else search
        found = find(support, labels, query, n_classes, k, metric)
    return votes(found, labels, weights, metric, class_balanced)


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


@gin.register
@dataclass(frozen=True)
class KNN:
    """The k nearest neighbours' vote; options as in `knn`.

    exact_rows: above so many references they are searched by an index, whose recall is told, see
    heads/vector_index.py.
    """

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
        """Scores [..., Q, n_classes]; see `knn`. An index is made for this call, see `against`."""
        if support.ndim == 2 and len(support) > self.exact_rows:
            return self.against(support, labels, n_classes)(query)
        options = (self.k, self.weights, self.metric, self.class_balanced)
        return knn(support, labels, query, n_classes, *options)

    def check(self, references: int) -> None:
        """Raises UserError where so many references are fewer than k, or need a library that is not
        there.
        """
        check_references("KNN", self.k, references)
        if references > self.exact_rows:
            imported_faiss()

    def against(
        self, support: Tensor, labels: Tensor, n_classes: int
    ) -> Callable[[Tensor], Tensor]:
        """The same scores of query [Q, D]; where there is an index, it is made once, here."""
        self.check(len(support))
        if len(support) <= self.exact_rows:
            return lambda query: self(support, labels, query, n_classes)
        index = built(support.detach().cpu().float().numpy(), self.metric)
        made = IndexedKNN(self, index, labels, n_classes)
        logger.info("%s", made.told())
        return made

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
            cast = vote_weights(distances, self.weights).unsqueeze(2)
            cast = cast * F.one_hot(labels[nearest.indices], n_classes) / sizes
            share = cast.sum(1) / cast.sum((1, 2)).unsqueeze(1)
            of_class = torch.stack([squared[:, own].amin(1) for own in members.T.unbind()], 1)
            behind = (of_class.unsqueeze(1) < of_class.unsqueeze(2)).sum(2)
            return share + TIE_BREAK * (n_classes - behind) / n_classes

        return scores


class IndexedKNN:
    """A k-NN's scores of query [Q, D] among references that are searched by an index.

    labels: int [S] of the index's vectors, -1 where one does not vote; figures: what is to be
    reported of it.
    """

    def __init__(self, head: KNN, index: VectorIndex, labels: Tensor, n_classes: int) -> None:
        self._head, self._n_classes = head, n_classes
        self._indexed = Indexed(index, labels, n_classes)
        self.figures: Mapping[str, float] = {"index_recall": index.recall}

    def without(self, label: int) -> "IndexedKNN":
        """The same where a class has no references, by the same index."""
        labels = self._indexed.labels
        others = labels.masked_fill(labels == label, -1)
        return IndexedKNN(self._head, self._indexed.index, others, self._n_classes)

    def told(self) -> str:
        """For the reader: how far it is what comparing with all would give."""
        return f"k-NN's neighbours: {self._indexed.index.told()}."

    def __call__(self, query: Tensor) -> Tensor:
        """Scores [Q, n_classes]."""
        check_float64("KNN", query.device)
        head, labels = self._head, self._indexed.labels
        with full_precision(query):
            found = self._indexed.search(query, head.k)
        return votes(found, labels, head.weights, head.metric, head.class_balanced)
