"""The nearest references of each query and of each class: exact, ties included, in bounded memory.

A distance is computed by subtraction in float64 and compared in the features' own precision, so
that rows which are equally far are equal on every device; of those the lowest row comes first.
Matrix products only sort out the rows that cannot matter, by a bound on their rounding.
"""

import torch
from torch import Tensor

from fewshot.heads.found import NO_ROW, Nearest
from fewshot.heads.in_bfloat16 import InBfloat16, worth_trying
from fewshot.heads.room import Room
from fewshot.heads.screening import Block, Pairs, References, Screen
from fewshot.precision import full_precision
from fewshot.progress import ProgressBar

# Numbers in a block on a processor: 16 MB in float32, which stay near it; see Room.
_BLOCK = 2**22
_QUERY_CHUNK = 1024
# Queries whose findings are kept at a time, and pairs found before they are settled.
_QUERIES = 2**12
_PAIRS = 2**20
# Queries that show how well bfloat16 tells references apart, and products a pair is worth.
_TRIED = 8
_PRODUCTS = 2**17
# Where there are more classes, those beyond so many nearest ones rank by distances as they were
# sorted out: nobody looks at their order, and with thousands of classes it costs most.
_RANKED_CLASSES = 16


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
        screen = _screen(References(support, labels, n_classes, k, metric), query, n_classes, k)
        for part in query.split(_QUERIES):
            parts.append(_Search(screen, part, n_classes, k).through())
            bar.update(len(part))
    columns = ("squared", "rows", "of_class", "class_row")
    return Nearest(*(torch.cat([getattr(part, name) for part in parts]) for name in columns))


def _screen(references: References, query: Tensor, n_classes: int, k: int) -> Screen:
    """In bfloat16 where that is fast and a few queries show that it leaves few pairs."""
    room = Room(_BLOCK, _QUERY_CHUNK).of(query)
    rows = room.references(query.shape[1], n_classes)
    chunk = min(room.queries, len(query))
    if worth_trying(references, query):
        screen = InBfloat16(references, chunk, rows)
        trial = _Search(screen, query[:: len(query) // _TRIED], n_classes, k)
        trial.through()
        # comparing a pair exactly takes as long as so many products save
        few = k + min(n_classes, _RANKED_CLASSES) + references.support.numel() / _PRODUCTS
        if trial.settled <= few * len(trial.query):
            return screen
    return Screen(references, chunk, rows)


class _Search:
    """Of some queries, through blocks of references."""

    def __init__(self, screen: Screen, query: Tensor, n_classes: int, k: int) -> None:
        self.screen, self.query, self.n_classes, self.k = screen, query, n_classes, k
        self.asked = screen.asked(query)
        # how far apart what is computed of two equal distances can be, but for the references' part
        self.room = 2 * (screen.references.slack * self.asked.lengths + self.asked.error)
        self.worst_of_k = query.new_full((len(query), k), torch.inf)
        self.worst_of_class = query.new_full((len(query), n_classes), torch.inf)
        self.found = self._nothing()
        self.pairs: list[Pairs] = []
        self.settled = 0

    def through(self) -> Nearest:
        """What is nearest, once all blocks have been looked at."""
        step = self.screen.queries
        for block in self.screen.blocks():
            for first in range(0, len(self.query), step):
                self._look_at(block, slice(first, first + step))
        self._settle()
        found = self.found
        # where a class was not, or is no more, looked into: what its nearest is at most, which is
        # never less than an exact distance, for the query's part may have been rounded down
        at_most = self.worst_of_class + self.asked.lengths + self.room / 2
        found.of_class = found.of_class.minimum(at_most)
        return found

    def _look_at(self, block: Block, some: slice) -> None:
        members, least = self.screen.look(self.asked.part(some), block)
        # the least of four groups are fewer to sort, and are as good a bound
        coarse = least.unflatten(1, (-1, 4)).amin(2) if least.shape[1] % 4 == 0 else least
        nearest = torch.cat([self.worst_of_k[some], coarse], 1)
        self.worst_of_k[some] = nearest.topk(self.k, 1, False, False).values
        self.screen.lower(self.worst_of_class[some], least, block)
        found = self.screen.pairs(members, least, self._limits(some)[1], block)
        self.pairs.append(found._replace(queries=found.queries + some.start))
        if sum(len(pairs.rows) for pairs in self.pairs) > _PAIRS:
            self._settle()

    def _limits(self, some: slice) -> tuple[Tensor, Tensor]:
        """[q, 1] and [q, C]: how far a reference may be and still be a neighbour, or matter."""
        of_class = self.worst_of_class[some]
        if self.n_classes > _RANKED_CLASSES:
            last = of_class.topk(_RANKED_CLASSES, 1, False).values[:, -1:]
            of_class = of_class.masked_fill(of_class > self._beyond(last, some), -torch.inf)
        of_k = self.worst_of_k[some].amax(1, keepdim=True)
        return self._beyond(of_k, some), self._beyond(torch.maximum(of_class, of_k), some)

    def _beyond(self, distances: Tensor, some: slice) -> Tensor:
        """How far what is no farther than these [q, n] may have been computed to be."""
        distances = distances + self.room[some]
        grain = self.screen.grain
        return distances.add_(distances.abs(), alpha=grain) if grain else distances

    def _settle(self) -> None:
        """Of the pairs that still matter, take the nearest by their exact distances."""
        if not self.pairs:
            return
        pairs = Pairs(*(torch.cat(columns) for columns in zip(*self.pairs, strict=True)))
        self.pairs = []
        of_k, limit = self._limits(slice(None))
        kept = pairs.at_least <= limit[pairs.queries, pairs.classes]
        pairs = Pairs(*(column[kept] for column in pairs))
        self.settled += len(pairs.rows)
        squared = self.screen.references.by_subtraction(self.query, pairs.queries, pairs.rows)
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

    def _nothing(self) -> Nearest:
        shape = (len(self.query), self.n_classes)
        far, no_row = self.query.new_full, self.screen.references.rows.new_full
        best = (len(self.query), self.k)
        return Nearest(
            far(best, torch.inf),
            no_row(best, NO_ROW),
            far(shape, torch.inf),
            no_row(shape, NO_ROW),
        )
