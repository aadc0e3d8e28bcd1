"""The nearest references of each query and of each class: exact, ties included, in bounded memory.

A distance is computed by subtraction in float64 and compared in the features' own precision, so
that rows which are equally far are equal on every device; of those the lowest row comes first.
Matrix products only sort out the rows that cannot matter, by a bound on their rounding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.heads.geometry import full_precision
from fewshot.heads.room import Room
from fewshot.heads.screening import Block, Pairs, References, Screen
from fewshot.progress import ProgressBar

# Numbers in a block on a processor: 16 MB in float32, which stay near it; see Room.
_BLOCK = 2**22
_QUERY_CHUNK = 1024
# Queries whose findings are kept at a time, and pairs found before they are settled.
_QUERIES = 2**12
_PAIRS = 2**20
# Pairs whose differences are taken at a time.
_DIFFERENCES = 2**17
# Where there are more classes, those beyond so many nearest ones rank by distances as they were
# sorted out: nobody looks at their order, and with thousands of classes it costs most.
_RANKED_CLASSES = 16
NO_ROW = torch.iinfo(torch.int64).max


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


@torch.no_grad()
def search(
    support: Tensor, labels: Tensor, query: Tensor, n_classes: int, k: int, metric: str
) -> Nearest:
    """support [S, D], labels int64 [S], query [Q, D]; metric: 'euclidean' or 'cosine' (half the
    squared distance of unit vectors). A class without references is at infinity.
    """
    parts = []
    bar = ProgressBar("nearest neighbours", len(query), "queries")
    with full_precision(support), bar:  # the bound on rounding is that of whole products
        references = References(support, labels, n_classes, k, metric)
        for part in query.split(_QUERIES):
            parts.append(_Search(references, labels, part, n_classes, k).through())
            bar.update(len(part))
    columns = ("squared", "rows", "of_class", "class_row")
    return Nearest(*(torch.cat([getattr(part, name) for part in parts]) for name in columns))


class _Search:
    """Of some queries, through blocks of references."""

    def __init__(
        self, references: References, labels: Tensor, query: Tensor, n_classes: int, k: int
    ) -> None:
        self.references, self.labels, self.query = references, labels, query
        self.n_classes, self.k, self.slack = n_classes, k, references.slack
        moved = references.moved(query)
        self.lengths = moved.square().sum(1, keepdim=True)
        self.twice = torch.cat([-2 * moved, torch.ones_like(self.lengths)], 1)
        self.worst_of_k = query.new_full((len(query), k), torch.inf)
        self.worst_of_class = query.new_full((len(query), n_classes), torch.inf)
        self.found = self._nothing()
        self.pairs: list[Pairs] = []

    def through(self) -> Nearest:
        """What is nearest, once all blocks have been looked at."""
        room = Room(_BLOCK, _QUERY_CHUNK).of(self.query)
        rows = room.references(self.query.shape[1], self.n_classes)
        screen = Screen(self.references, min(room.queries, len(self.query)), rows)
        for block in self.references.blocks(rows):
            for first in range(0, len(self.query), room.queries):
                self._look_at(screen, block, slice(first, first + room.queries))
        self._settle()
        found = self.found
        # where a class was not, or is no more, looked into: what its nearest is at most
        found.of_class = found.of_class.minimum(self.worst_of_class + self.lengths)
        return found

    def _look_at(self, screen: Screen, block: Block, some: slice) -> None:
        members, least = screen.look(self.twice[some], block)
        # the least of four groups are fewer to sort, and are as good a bound
        coarse = least.unflatten(1, (-1, 4)).amin(2) if least.shape[1] % 4 == 0 else least
        nearest = torch.cat([self.worst_of_k[some], coarse], 1)
        self.worst_of_k[some] = nearest.topk(self.k, 1, False, False).values
        screen.lower(self.worst_of_class[some], least, block)
        found = screen.pairs(members, least, self._limits(some)[1], block)
        self.pairs.append(found._replace(queries=found.queries + some.start))
        if sum(len(pairs.rows) for pairs in self.pairs) > _PAIRS:
            self._settle()

    def _limits(self, some: slice) -> tuple[Tensor, Tensor]:
        """[q, 1] and [q, C]: how far a reference may be and still be a neighbour, or matter."""
        of_class = self.worst_of_class[some]
        room = 2 * self.slack * self.lengths[some]
        if self.n_classes > _RANKED_CLASSES:
            last = of_class.topk(_RANKED_CLASSES, 1, False).values[:, -1:]
            of_class = of_class.masked_fill(of_class > last + room, -torch.inf)
        of_k = self.worst_of_k[some].amax(1, keepdim=True)
        return of_k + room, torch.maximum(of_class, of_k) + room

    def _settle(self) -> None:
        """Of the pairs that still matter, take the nearest by their exact distances."""
        if not self.pairs:
            return
        pairs = Pairs(*(torch.cat(columns) for columns in zip(*self.pairs, strict=True)))
        self.pairs = []
        of_k, limit = self._limits(slice(None))
        kept = pairs.at_least <= limit[pairs.queries, pairs.classes]
        pairs = Pairs(*(column[kept] for column in pairs))
        squared = self._by_subtraction(pairs.queries, pairs.rows)
        found = self._nothing()
        cells = pairs.queries * self.n_classes + pairs.classes
        of_class, class_row = found.of_class.view(-1), found.class_row.view(-1)
        of_class.scatter_reduce_(0, cells, squared, "amin")
        first = torch.where(squared == of_class[cells], pairs.rows, NO_ROW)
        class_row.scatter_reduce_(0, cells, first, "amin")
        close = pairs.at_least <= of_k[pairs.queries, 0]
        found.squared, found.rows = self._first(
            pairs.queries[close], pairs.rows[close], squared[close]
        )
        self.found.take(found)

    def _first(self, queries: Tensor, rows: Tensor, squared: Tensor) -> tuple[Tensor, Tensor]:
        """[q, k] distances and rows of the nearest pairs of each query, of equals the lowest."""
        order = rows.argsort()
        order = order[squared[order].argsort(stable=True)]
        order = order[queries[order].argsort(stable=True)]
        queries = queries[order]
        counts = torch.bincount(queries, minlength=len(self.query))
        before = (counts.cumsum(0) - counts)[queries]
        place = torch.arange(len(queries), device=rows.device) - before
        kept = place < self.k
        found = self._nothing()
        cell = (queries[kept], place[kept])
        found.squared[cell], found.rows[cell] = squared[order[kept]], rows[order[kept]]
        return found.squared, found.rows

    def _by_subtraction(self, queries: Tensor, rows: Tensor) -> Tensor:
        """Squared distances [n] of pairs."""
        support = self.references.support
        step = max(1, _DIFFERENCES // support.shape[1])
        parts = []
        for some, others in zip(queries.split(step), rows.split(step), strict=True):
            a = self.query.index_select(0, some).double()
            b = support.index_select(0, others).double()
            if self.references.cosine:
                a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
            parts.append(a.sub_(b).square_().sum(1).to(self.query.dtype))
        return torch.cat(parts)

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
