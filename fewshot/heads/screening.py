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


class Pairs(NamedTuple):
    """Of queries and rows of the support: int64 [n] each, and how far a row is at least [n].

    The query's own squared length is left out of all distances here: it changes no order.
    """

    queries: Tensor
    rows: Tensor
    classes: Tensor
    at_least: Tensor


@dataclass(frozen=True)
class Block:
    """Some references, moved, each with its squared length, rounded up: [B, D + 1].

    rows [B]: of the support; those that only fill up a group are -1, at infinite length. classes
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

    def blocks(self, size: int) -> Iterator[Block]:
        """All of them, about so many at a time."""
        groups = max(1, size // self.group)
        parts = zip(self.rows.split(groups * self.group), self.classes.split(groups), strict=True)
        for rows, classes in parts:
            moved = self.moved(self.support[rows.clamp_min(0)])
            lengths = moved.square().sum(1).masked_fill_(rows == _NOBODY, 0)
            reach = 2 * self.slack * float(lengths.max())
            at_most = (lengths * (1 + self.slack)).masked_fill_(rows == _NOBODY, torch.inf)
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

    def __init__(self, references: References, queries: int, rows: int) -> None:
        self.group = references.group
        # what takes a launch a class on a GPU takes one for all classes there
        self.by_class = not references.support.is_cuda
        width = max(self.group, rows // self.group * self.group)
        self.memory = references.support.new_empty(queries * width)
        self.inside = torch.empty(len(self.memory) // self.group, dtype=torch.bool).to(
            references.support.device
        )

    def look(self, twice: Tensor, block: Block) -> tuple[Tensor, Tensor]:
        """How far each reference is at most [q, G, group], and the least of each group [q, G].

        twice: the queries, moved, times -2, and a one [q, D + 1].
        """
        shape = (len(twice), len(block.rows))
        product = self.memory[: shape[0] * shape[1]].view(shape)
        torch.mm(twice, block.moved.T, out=product)
        members = product.view(len(twice), -1, self.group)
        return members, members.squeeze(2) if self.group == 1 else members.amin(2)

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
        mask = self.inside[: least.numel()].view(least.shape)
        if not self.by_class:
            torch.le(least, limit.index_select(1, block.classes), out=mask)
        for label, start, end in block.spans if self.by_class else ():
            torch.le(least[:, start:end], limit[:, label, None], out=mask[:, start:end])
        cells = mask.view(-1).nonzero().squeeze(1)
        queries, groups = cells // least.shape[1], cells % least.shape[1]
        classes = block.classes.index_select(0, groups)
        limits = limit.view(-1).index_select(0, queries * limit.shape[1] + classes)
        inside = members.view(-1, self.group).index_select(0, cells)
        near, place = (inside <= limits.unsqueeze(1)).nonzero(as_tuple=True)
        rows = block.rows[groups[near] * self.group + place]
        found = Pairs(queries[near], rows, classes[near], inside[near, place] - block.reach)
        real = rows != _NOBODY  # an infinite limit lets those in that only fill up
        return found if bool(real.all()) else Pairs(*(column[real] for column in found))
