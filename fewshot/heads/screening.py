"""Which references may matter to which queries, by matrix products and a bound on their rounding.

References stand in groups of one class each: once the least of every group is known, only the few
groups that can matter are looked into.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_LARGEST_GROUP = 32
_NOBODY = -1
# Pairs whose differences are taken at a time.
_DIFFERENCES = 2**17


class Pairs(NamedTuple):
    """Of queries and rows of the support: int64 [n] each, and how far a row is at least [n].

    The query's own squared length is left out of all distances here: it changes no order.
    """

    queries: Tensor
    rows: Tensor
    classes: Tensor
    at_least: Tensor


class Asked(NamedTuple):
    """Queries: the numbers [Q, W] to multiply, and their squared lengths, moved [Q, 1].

    error [Q, 1]: how far a distance may be off beyond the rounding of float32 or float64 sums.
    """

    numbers: Tensor
    lengths: Tensor
    error: Tensor

    def part(self, some: slice) -> "Asked":
        """Some of the queries."""
        return Asked(*(column[some] for column in self))


@dataclass(frozen=True)
class Block:
    """Some references, moved, each with its squared length, rounded up: [B, D + 1].

    rows [B]: of the support; what only fills up a group is -1, and is its first. classes
    [G]: of each group; spans: (class, its first group, the group behind its last); reach: how much
    nearer than their products say any of them can be.
    """

    moved: Tensor
    rows: Tensor
    classes: Tensor
    spans: list[tuple[int, int, int]]
    reach: float


class References:
    """The support in order of class, so that a group has one class; metric as in `search`."""

    def __init__(
        self, support: Tensor, labels: Tensor, n_classes: int, k: int, metric: str
    ) -> None:
        self.support, self.cosine = support, metric == "cosine"
        # Distances do not change with the origin; near it, the products they come from are exact.
        self.centre = 0 if self.cosine else support.mean(0)
        # Of a product of D + 1 terms, a squared length among them, and of moving the origin: twice
        # Higham's bound, relative to the lengths of both.
        self.slack = (4 * support.shape[1] + 32) * torch.finfo(support.dtype).eps
        self.group = group_size(len(support), max(k, n_classes))
        counts = torch.bincount(labels, minlength=n_classes)
        groups = (counts + self.group - 1) // self.group
        order = labels.argsort(stable=True)
        shifts = (groups.cumsum(0) - groups) * self.group - (counts.cumsum(0) - counts)
        places = torch.arange(len(labels), device=labels.device) + shifts[labels[order]]
        self.rows = labels.new_full((int(groups.sum()) * self.group,), _NOBODY)
        self.rows[places] = order
        self.classes = torch.arange(n_classes, device=labels.device).repeat_interleave(groups)

    def moved(self, features: Tensor) -> Tensor:
        """Unit vectors, whose cosine distance is half the squared Euclidean one, or centred."""
        return F.normalize(features, dim=1) if self.cosine else features - self.centre

    def by_subtraction(self, query: Tensor, queries: Tensor, rows: Tensor) -> Tensor:
        """Squared distances [n] of pairs, computed in float64, in the features' own precision."""
        step = max(1, _DIFFERENCES // self.support.shape[1])
        parts = []
        for some, others in zip(queries.split(step), rows.split(step), strict=True):
            a = query.index_select(0, some).double()
            b = self.support.index_select(0, others).double()
            if self.cosine:
                a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
            parts.append(a.sub_(b).square_().sum(1).to(query.dtype))
        return torch.cat(parts)

    def blocks(self, size: int) -> Iterator[Block]:
        """All of them, about so many at a time."""
        groups = max(1, size // self.group)
        parts = zip(self.rows.split(groups * self.group), self.classes.split(groups), strict=True)
        for rows, classes in parts:
            grouped = rows.view(-1, self.group)
            filled = torch.where(grouped == _NOBODY, grouped[:, :1], grouped).view(-1)
            moved = self.moved(self.support[filled])
            lengths = moved.square().sum(1)
            reach = 2 * self.slack * float(lengths.max())
            at_most = lengths * (1 + self.slack)
            present, sizes = (
                part.tolist() for part in classes.unique_consecutive(return_counts=True)
            )
            ends = torch.tensor(sizes).cumsum(0).tolist()
            spans = [(c, end - n, end) for c, n, end in zip(present, sizes, ends, strict=True)]
            yield Block(torch.cat([moved, at_most[:, None]], 1), rows, classes, spans, reach)


def group_size(references: int, wanted: int) -> int:
    """A power of two: several groups to each of what is wanted, a class or a neighbour."""
    most = max(1, min(_LARGEST_GROUP, references // (8 * max(1, wanted))))
    return 1 << (most.bit_length() - 1)


class Screen:
    """Distances of a few queries to a block at a time, in the same memory each time."""

    grain = 0.0  # how far a distance may be off, as a share of it

    def __init__(self, references: References, queries: int, rows: int) -> None:
        self.references, self.group, self.queries = references, references.group, max(1, queries)
        # what takes a launch a class on a GPU takes one for all classes there
        self.by_class = not references.support.is_cuda
        self._rows = max(self.group, min(rows, len(references.rows)) // self.group * self.group)
        self._memory = references.support.new_empty(queries * self._rows)
        self._inside = torch.empty(len(self._memory) // self.group, dtype=torch.bool).to(
            references.support.device
        )

    def blocks(self) -> Iterator[Block]:
        """All references."""
        return self.references.blocks(self._rows)

    def asked(self, query: Tensor) -> Asked:
        """Queries, moved, times -2, and a one [Q, D + 1]."""
        moved = self.references.moved(query)
        lengths = moved.square().sum(1, keepdim=True)
        numbers = torch.cat([-2 * moved, torch.ones_like(lengths)], 1)
        return Asked(numbers, lengths, torch.zeros_like(lengths))

    def look(self, asked: Asked, block: Block) -> tuple[Tensor, Tensor]:
        """How far each reference is at most [q, G, group], and the least of each group [q, G]."""
        product = self._product(self._memory, asked, block)
        return product.view(len(product), -1, self.group), self._least(product)

    def at_most(self, members: Tensor) -> Tensor:
        """How far members that were looked at are at most."""
        return members

    def lower(self, worst: Tensor, least: Tensor, block: Block) -> None:
        """Lower worst [q, C] to the least [q, G] of each class's groups."""
        if not self.by_class:
            worst.scatter_reduce_(1, block.classes.expand(least.shape), least, "amin")
            return
        for label, start, end in block.spans:
            column = worst[:, label]
            torch.minimum(column, least[:, start:end].amin(1), out=column)

    def pairs(self, members: Tensor, least: Tensor, limit: Tensor, block: Block) -> Pairs:
        """Those within limit [q, C], by class; queries counted from the first of these."""
        limit = limit + block.reach
        mask = self._inside[: least.numel()].view(least.shape)
        if not self.by_class:
            torch.le(least, limit.index_select(1, block.classes), out=mask)
        for label, start, end in block.spans if self.by_class else ():
            torch.le(least[:, start:end], limit[:, label, None], out=mask[:, start:end])
        cells = mask.view(-1).nonzero().squeeze(1)
        queries, groups = cells // least.shape[1], cells % least.shape[1]
        classes = block.classes.index_select(0, groups)
        limits = limit.view(-1).index_select(0, queries * limit.shape[1] + classes)
        inside = self.at_most(members.view(-1, self.group).index_select(0, cells))
        near, place = (inside <= limits.unsqueeze(1)).nonzero(as_tuple=True)
        rows = block.rows[groups[near] * self.group + place]
        found = Pairs(queries[near], rows, classes[near], inside[near, place] - block.reach)
        real = rows != _NOBODY
        return found if bool(real.all()) else Pairs(*(column[real] for column in found))

    def _product(self, memory: Tensor, asked: Asked, block: Block) -> Tensor:
        """Of queries and references, in memory [q, B]."""
        shape = (len(asked.numbers), len(block.rows))
        product = memory[: shape[0] * shape[1]].view(shape)
        return torch.mm(asked.numbers, block.moved.T, out=product)

    def _least(self, product: Tensor) -> Tensor:
        members = product.view(len(product), -1, self.group)
        return members.squeeze(2) if self.group == 1 else members.amin(2)
