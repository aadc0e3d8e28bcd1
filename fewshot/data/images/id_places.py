"""Where ids are in a list: in one pass where they come in its order, else by a hash table."""

from collections.abc import Sequence
from functools import cached_property
from itertools import chain, repeat
from operator import indexOf

import numpy as np

from fewshot.batch import IntArray

_MANY = 8  # one id of so many of the list pays for a pass over it


class IdPlaces:
    """The places of ids in a list made of parts; of equal ids in two parts the later one counts.

    parts: ids, each part without equal ones.
    """

    def __init__(self, *parts: Sequence[str]) -> None:
        self._ids = list(chain.from_iterable(parts))
        self._disjoint = _disjoint(parts)

    def find(self, ids: Sequence[str]) -> IntArray:
        """int64 [n], the place of each id, -1 of one that is not here."""
        many = self._disjoint and len(ids) * _MANY >= len(self._ids)
        found = self._in_order(ids) if many else None
        if found is not None:
            return found
        return np.fromiter(map(self._places.get, ids, repeat(-1)), np.int64, len(ids))

    def __getitem__(self, ids: Sequence[str]) -> IntArray:
        """int64 [n], the place of each id; raises KeyError for one that is not here."""
        found = self.find(ids)
        if len(found) and found.min() < 0:
            raise KeyError(ids[int(found.argmin())])
        return found

    def counting(self) -> IntArray:
        """int64, the places that count: all but those whose id is in a later part, too."""
        if self._disjoint:
            return np.arange(len(self._ids), dtype=np.int64)
        return np.fromiter(self._places.values(), np.int64, len(self._places))

    @cached_property
    def _places(self) -> dict[str, int]:
        return dict(zip(self._ids, range(len(self._ids)), strict=True))

    def _in_order(self, ids: Sequence[str]) -> IntArray | None:
        """The places of ids that are some of the list in its order, as a table's mostly are.

        None for others. A table of a million ids takes five times as long to be hashed.
        """
        if ids == self._ids:
            return np.arange(len(ids), dtype=np.int64)
        rest = iter(self._ids)
        try:  # each search goes on behind what the one before found
            steps = np.fromiter(map(indexOf, repeat(rest), ids), np.int64, len(ids))
        except ValueError:
            return None
        return np.cumsum(steps + 1) - 1


def _disjoint(parts: Sequence[Sequence[str]]) -> bool:
    """Whether no id is in two of the parts; the largest of them is not hashed."""
    *others, largest = sorted(parts, key=len) or [()]
    seen = {*chain.from_iterable(others)}
    return len(seen) == sum(map(len, others)) and seen.isdisjoint(largest)
