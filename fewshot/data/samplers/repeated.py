"""Batches of small sets of rows, which are gone through several times an epoch."""

from collections.abc import Sequence

import gin

from fewshot.batch import IntArray
from fewshot.data.samplers.unstructured import ShuffledBatches, check_positive


@gin.register
class RepeatedBatches:
    """Shuffled batches, all rows gone through as often as it takes for so many steps an epoch.

    Few rows and many are so trained for a like number of steps, one epoch being an epoch of
    ShuffledBatches where that is long enough. steps: fewest an epoch; batch_size: rows a batch, or
    all where there are fewer; what does not fill the last batch of a passage makes a smaller one.
    """

    layout = "image"
    sections = 1

    def __init__(
        self,
        labels: IntArray,
        class_names: Sequence[str],
        seed: int,
        steps: int = 100,
        batch_size: int = 128,
    ) -> None:
        check_positive("RepeatedBatches.steps", steps)
        check_positive("RepeatedBatches.batch_size", batch_size)
        self._passage = ShuffledBatches(labels, class_names, seed, batch_size, drop_last=False)
        self._length = max(steps, len(self._passage))

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._length

    def batches(self, epoch: int) -> list[IntArray]:
        """int64 [batch_size or fewer] a batch."""
        first = epoch * self._length // len(self._passage)
        passages = -(-self._length // len(self._passage))
        found = [
            batch
            for number in range(first, first + passages)
            for batch in self._passage.batches(number)
        ]
        return found[: self._length]
