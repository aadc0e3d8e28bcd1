"""The nearest references of each query and of each class: exact, ties included, in bounded memory.

A distance is computed by subtraction in float64 and compared in the features' own precision, so
that rows which are equally far are equal on every device; of those the lowest row comes first.
Matrix products only sort out the rows that cannot matter, by a bound on their rounding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.progress import ProgressBar

# Numbers in a block of references, of distances, or of differences: 64 MB in float32, of which a
# few are alive at a time.
_BLOCK = 2**24
_QUERY_CHUNK = 1024
# Where there are more classes, those beyond so many nearest ones rank by distances as they were
# sorted out: nobody looks at their order, and with thousands of classes it costs most.
_RANKED_CLASSES = 16
NO_ROW = torch.iinfo(torch.int64).max  # where a class has no reference


@dataclass
class Nearest:
    """squared [Q, k] distances and rows int64 [Q, k] of the neighbours, nearest first;
    of_class [Q, C] and class_row [Q, C]: distance and row of each class's nearest reference.
    """

    squared: Tensor
    rows: Tensor
    of_class: Tensor
    class_row: Tensor

    def take(self, found: "Nearest") -> None:
        """Merge with what was found elsewhere."""
        k = self.squared.shape[1]
        squared, rows = (
            torch.cat(pair, 1) for pair in ((self.squared, found.squared), (self.rows, found.rows))
        )
        rows, order = rows.sort(1)
        squared, kept = squared.gather(1, order).sort(dim=1, stable=True)
        self.squared, self.rows = squared[:, :k], rows.gather(1, kept[:, :k])
        nearer = (found.of_class < self.of_class) | (
            (found.of_class == self.of_class) & (found.class_row < self.class_row)
        )
        self.of_class = torch.where(nearer, found.of_class, self.of_class)
        self.class_row = torch.where(nearer, found.class_row, self.class_row)


def search(
    support: Tensor, labels: Tensor, query: Tensor, n_classes: int, k: int, metric: str
) -> Nearest:
    """support [S, D], labels int64 [S], query [Q, D]; metric: 'euclidean' or 'cosine' (half the
    squared distance of unit vectors). A class without references is at infinity.
    """
    # In order of class, so that the nearest of each class is the minimum of a slice.
    blocks = labels.argsort(stable=True).split(_rows_of_a_block(support.shape[1]))
    parts = []
    with ProgressBar("nearest neighbours", len(query), "queries") as bar:
        for part in query.split(_QUERY_CHUNK):
            parts.append(_Search(support, labels, part, n_classes, k, metric).through(blocks))
            bar.update(len(part))
    columns = ("squared", "rows", "of_class", "class_row")
    return Nearest(*(torch.cat([getattr(part, name) for part in parts]) for name in columns))


def _rows_of_a_block(width: int) -> int:
    """How many references make a block, their distances to a part of the queries, too."""
    return max(1, _BLOCK // max(_QUERY_CHUNK, width))


class _Search:
    """Of a few queries, through blocks of references."""

    def __init__(
        self, support: Tensor, labels: Tensor, query: Tensor, n_classes: int, k: int, metric: str
    ) -> None:
        self.support, self.labels, self.query = support, labels, query
        self.n_classes, self.k, self.cosine = n_classes, k, metric == "cosine"
        # Distances do not change with the origin; near it, the products they come from are exact.
        self.centre = 0 if self.cosine else support.mean(0)
        self.moved = self._moved(query)
        self.lengths = self.moved.square().sum(1, keepdim=True)
        # Of a product of D terms and of moving the origin: twice Higham's bound, relative to the
        # lengths of both.
        self.slack = (2 * support.shape[1] + 32) * torch.finfo(support.dtype).eps
        shape = (len(query), n_classes)
        self.worst_of_k = query.new_full((len(query), k), torch.inf)
        self.worst_of_class = query.new_full(shape, torch.inf)
        self.found = self._nothing()

    def through(self, blocks: tuple[Tensor, ...]) -> Nearest:
        for rows in blocks:
            self._look_at(rows)
        found = self.found
        unranked = found.class_row == NO_ROW
        found.of_class = torch.where(unranked, self.worst_of_class + self.lengths, found.of_class)
        return found

    def _look_at(self, rows: Tensor) -> None:
        references = self._moved(self.support[rows])
        lengths = references.square().sum(1)
        present, sizes = self.labels[rows].unique_consecutive(return_counts=True)
        # The query's own squared length is left out: it changes no order within a row.
        at_most = torch.addmm(lengths * (1 + self.slack), self.moved, references.T, alpha=-2)
        nearest = at_most.topk(min(self.k, len(rows)), 1, False, False).values
        self.worst_of_k = torch.cat([self.worst_of_k, nearest], 1).topk(self.k, 1, False).values
        slices = list(zip(present.tolist(), at_most.split(sizes.tolist(), 1), strict=True))
        for label, block in slices:
            column = self.worst_of_class[:, label]
            torch.minimum(column, block.amin(1), out=column)
        at_most.sub_(2 * self.slack * lengths)  # now what they are at least
        limit = self._limit() + 2 * self.slack * self.lengths
        near = torch.cat([block <= limit[:, label, None] for label, block in slices], 1)
        places = near.nonzero()
        self.found.take(self._exactly(places[:, 0], rows[places[:, 1]]))

    def _limit(self) -> Tensor:
        """[q, C]: how far a reference of the class may be and still matter."""
        of_class = self.worst_of_class
        if self.n_classes > _RANKED_CLASSES:
            last = of_class.topk(_RANKED_CLASSES, 1, False).values[:, -1:]
            last = last + 2 * self.slack * self.lengths
            of_class = of_class.masked_fill(of_class > last, -torch.inf)
        return torch.maximum(of_class, self.worst_of_k.amax(1, keepdim=True))

    def _exactly(self, queries: Tensor, rows: Tensor) -> Nearest:
        """The nearest among pairs of a query (ascending) and a row of the support."""
        squared = self._by_subtraction(queries, rows)
        found = self._nothing()
        cells = queries * self.n_classes + self.labels[rows]
        of_class, class_row = found.of_class.view(-1), found.class_row.view(-1)
        of_class.scatter_reduce_(0, cells, squared, "amin")
        first = torch.where(squared == of_class[cells], rows, NO_ROW)
        class_row.scatter_reduce_(0, cells, first, "amin")
        counts = torch.bincount(queries, minlength=len(self.query))
        place = (
            torch.arange(len(queries), device=rows.device) - (counts.cumsum(0) - counts)[queries]
        )
        shape = (len(self.query), max(self.k, int(counts.max())))
        distances = squared.new_full(shape, torch.inf)
        distances[queries, place] = squared
        known = rows.new_full(shape, NO_ROW)
        known[queries, place] = rows
        last = distances.topk(self.k, 1, False).values[:, -1:]
        # whatever is nearer than the k-th, and of those as far as it the lowest rows
        key = torch.where(distances < last, -1, known).masked_fill(distances > last, NO_ROW)
        columns = key.topk(self.k, 1, False).indices
        found.squared, found.rows = distances.gather(1, columns), known.gather(1, columns)
        return found

    def _by_subtraction(self, queries: Tensor, rows: Tensor) -> Tensor:
        """Squared distances [n] of pairs."""
        step = max(1, _BLOCK // 8 // self.support.shape[1])
        parts = []
        for some, others in zip(queries.split(step), rows.split(step), strict=True):
            a, b = self.query[some].double(), self.support[others].double()
            if self.cosine:
                a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
            parts.append(a.sub_(b).square_().sum(1).to(self.query.dtype))
        return torch.cat(parts)

    def _moved(self, features: Tensor) -> Tensor:
        # Of unit vectors, the cosine distance is half the squared Euclidean one.
        return F.normalize(features, dim=1) if self.cosine else features - self.centre

    def _nothing(self) -> Nearest:
        shape = (len(self.query), self.n_classes)
        far, no_row = self.query.new_full, self.labels.new_full
        best = (len(self.query), self.k)
        return Nearest(
            far(best, torch.inf),
            no_row(best, NO_ROW),
            far(shape, torch.inf),
            no_row(shape, NO_ROW),
        )


def search_episodes(
    support: Tensor, labels: Tensor, query: Tensor, n_classes: int, k: int, metric: str
) -> Nearest:
    """As `search`, a leading dimension of episodes, each small enough for one distance matrix."""
    dtype = query.dtype
    support, query = support.double(), query.double()
    if metric == "cosine":
        support, query = F.normalize(support, dim=-1), F.normalize(query, dim=-1)
    exact = "donot_use_mm_for_euclid_dist"
    squared = torch.cdist(query, support, compute_mode=exact).square().to(dtype)
    of_class = squared.new_full((*squared.shape[:2], n_classes), torch.inf)
    classes = labels.unsqueeze(1).expand(squared.shape)
    of_class.scatter_reduce_(2, classes, squared, "amin")
    rows = torch.arange(squared.shape[2], device=labels.device)
    rows = torch.where(squared == of_class.gather(2, classes), rows, NO_ROW)
    class_row = labels.new_full(of_class.shape, NO_ROW)
    class_row.scatter_reduce_(2, classes, rows, "amin")
    distances, neighbours = squared.sort(dim=2, stable=True)
    return Nearest(distances[..., :k], neighbours[..., :k], of_class, class_row)
