"""The rows of each class, as samplers need them, and the checks that they are enough."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fewshot.batch import IntArray
from fewshot.errors import UserError

FloatArray = NDArray[np.float64]
_NAMED = 5  # offending classes spelt out in a message


class ClassRows:
    """Row indices sorted by class; only classes that have rows count.

    labels: int64 [N] into class_names; sampler: the name under which errors speak. Attributes:
    `grouped` int64 [N], rows of the first class, then of the second, ...; `starts`, `counts` int64
    [G], where each class lies in it; `group_of_place` int64 [N], the class of each place in it.
    Raises UserError when a row has no label.
    """

    def __init__(self, labels: IntArray, class_names: Sequence[str], sampler: str) -> None:
        labels = np.asarray(labels, dtype=np.int64)
        unlabelled = int((labels < 0).sum())
        if unlabelled or len(labels) == 0:
            raise UserError(
                f"{sampler} draws by class, but {unlabelled or 'all'} of {len(labels)} training "
                "rows have no label: bind FashionDataset.label_column, or main.sampler = "
                "@ShuffledBatches."
            )
        self._sampler = sampler
        self._class_names = class_names
        self._classes, self.counts = np.unique(labels, return_counts=True)
        self.grouped: IntArray = np.argsort(labels, kind="stable")
        self.starts: IntArray = np.cumsum(self.counts) - self.counts
        self.group_of_place: IntArray = np.repeat(np.arange(len(self)), self.counts)

    def __len__(self) -> int:
        """Classes that have rows."""
        return len(self._classes)

    def rows(self, group: int) -> IntArray:
        """The rows of one class."""
        start = self.starts[group]
        rows: IntArray = self.grouped[start : start + self.counts[group]]
        return rows

    def require_classes(self, n: int, reason: str, remedy: str) -> None:
        """Raise UserError unless there are n classes."""
        if len(self) >= n:
            return
        found = f"{len(self)} classes"
        if len(self) == 1:
            found = f"one class only, '{self._class_names[self._classes[0]]}'"
        raise UserError(
            f"{self._sampler} needs {n} classes ({reason}), but the training rows have {found}: "
            f"{remedy}."
        )

    def require_rows(self, n: int, reason: str, remedy: str) -> None:
        """Raise UserError, naming the smallest classes, unless each has n rows."""
        small = np.flatnonzero(self.counts < n)
        if len(small) == 0:
            return
        small = small[np.argsort(self.counts[small], kind="stable")]
        named = [f"'{self._class_names[self._classes[g]]}' ({self.counts[g]})" for g in small]
        more = f" and {len(small) - _NAMED} more" if len(small) > _NAMED else ""
        raise UserError(
            f"{self._sampler} needs {n} rows a class ({reason}), but too few are in "
            f"{', '.join(named[:_NAMED])}{more}: {remedy}."
        )

    def chances(self, frequency_power: float) -> FloatArray:
        """Each row's chance, float64 [N], by which a class comes as its rows ** frequency_power.

        Raises UserError unless that is a number.
        """
        if not math.isfinite(frequency_power):
            raise UserError(
                f"{self._sampler}.frequency_power is {frequency_power}: bind 1 for every row once, "
                "0.5 for the square root or 0 for all classes alike."
            )
        shares = self.counts ** float(frequency_power)
        shares /= shares.sum()
        chances = np.empty(len(self.grouped))
        chances[self.grouped] = (shares / self.counts)[self.group_of_place]
        return chances

    def draw(self, rng: np.random.Generator, group: int, draws: int, size: int) -> IntArray:
        """`draws` random groups of `size` rows of one class, int64 [draws, size].

        A group repeats a row only where the class is smaller than `size`, and then each as evenly
        as can be. Over the draws the class is gone through in a random order, then in a new one
        (without the few rows at the end of an order that do not fill a group).
        """
        rows = self.rows(group)
        n_rows = len(rows)
        if n_rows < size:
            orders = -(-size // n_rows)
            places = _random_orders(rng, draws * orders, n_rows).reshape(draws, orders * n_rows)
            places = places[:, :size]
        else:
            per_order = n_rows // size
            places = _random_orders(rng, -(-draws // per_order), n_rows)
            places = places[:, : per_order * size].reshape(-1, size)[:draws]
        drawn: IntArray = rows[places]
        return drawn

    def draw_classes(
        self,
        rng: np.random.Generator,
        draws: int,
        n_classes: int,
        size: int,
        frequency_power: float = 0.0,
    ) -> IntArray:
        """Random classes, `size` rows of each: int64 [draws, n_classes, size].

        The classes of a draw are different, and drawn one after the other in proportion to their
        number of rows to the frequency_power: uniformly for 0, whatever their sizes.
        """
        # A race of exponential clocks, the weights being their rates, ends in such an order.
        clocks = -np.log1p(-rng.random((draws, len(self)))) / self.counts**frequency_power
        chosen = clocks.argsort(axis=1)[:, :n_classes]
        rows = np.empty((draws, n_classes, size), dtype=np.int64)
        for group in range(len(self)):
            where = chosen == group
            rows[where] = self.draw(rng, group, int(where.sum()), size)
        return rows


def _random_orders(rng: np.random.Generator, n: int, length: int) -> IntArray:
    """n random orders of 0 .. length - 1, int64 [n, length]."""
    orders: IntArray = rng.permuted(np.tile(np.arange(length), (n, 1)), axis=1)
    return orders
