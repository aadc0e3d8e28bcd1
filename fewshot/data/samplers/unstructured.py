"""Which rows make each batch of an epoch: a shuffled order, or random triplets."""

from collections.abc import Sequence

import gin
import numpy as np

from fewshot import seeding
from fewshot.batch import IntArray
from fewshot.data.samplers.class_rows import ClassRows
from fewshot.errors import UserError


def check_positive(name: str, value: int) -> int:
    """The value; raises UserError unless it is at least 1."""
    if value < 1:
        raise UserError(f"{name} is {value}: bind 1 or more.")
    return value


@gin.register
class ShuffledBatches:
    """Every row once an epoch, in a new order each epoch; or rows by how frequent their class is.

    batch_size: rows a batch; drop_last: leave out the rows that do not fill the last batch, else a
    single one that is left over, over which no batch normalisation can be taken, joins the batch
    before.
    frequency_power: with 1 every row comes once an epoch; with any other number as many are drawn,
    with replacement, that a class of n rows comes in proportion to n ** frequency_power: with 0
    all classes alike, with 0.5 by the square root (https://arxiv.org/abs/1805.00932). Raises
    UserError when there are fewer rows than one batch holds (unless drop_last is False: then they
    make one short batch), and for rows without a label where classes count.
    """

    layout = "image"
    sections = 1

    def __init__(
        self,
        labels: IntArray,
        class_names: Sequence[str],
        seed: int,
        batch_size: int = 128,
        drop_last: bool = True,
        frequency_power: float = 1.0,
    ) -> None:
        self.batch_size = check_positive("ShuffledBatches.batch_size", batch_size)
        self._rows = len(labels)
        self._seed = seed
        self._drop_last = drop_last
        if self._rows == 0:
            raise UserError("there is no row to train on: look at main.train_rows and the CSV.")
        if drop_last and self._rows < batch_size:
            raise UserError(
                f"ShuffledBatches.batch_size is {batch_size}, but there are only {self._rows} "
                f"training rows: bind ShuffledBatches.batch_size = {self._rows} or less, or "
                "ShuffledBatches.drop_last = False."
            )
        self._chances = None
        if frequency_power != 1:
            classes = ClassRows(labels, class_names, "ShuffledBatches")
            self._chances = classes.chances(frequency_power)

    def __len__(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(self._rows, self.batch_size)
        alone = rest == 1 and full > 0
        return full if self._drop_last or rest == 0 or alone else full + 1

    def batches(self, epoch: int) -> list[IntArray]:
        """int64 [batch_size] a batch; without drop_last the last is shorter, or longer by one."""
        rng = seeding.generator(self._seed, epoch)
        if self._chances is None:
            order = rng.permutation(self._rows)
        else:
            order = rng.choice(self._rows, self._rows, p=self._chances)
        size, count = self.batch_size, len(self)
        ends = [size * (number + 1) for number in range(count)]
        if not self._drop_last:
            ends[-1] = self._rows
        return [order[size * number : end] for number, end in enumerate(ends)]


@gin.register
class TripletBatches:
    """Random triplets: an anchor, another row of its class, a row of another class.

    Every row is the anchor once before any is again; positives and negatives are drawn uniformly.
    A batch is flat: all its anchors, then their positives, then their negatives, in the same order.
    batch_size: triplets a batch, of three images each; triplets_per_epoch: by default one an
    anchor row; those that do not fill the last batch are left out. Raises UserError, naming the
    class, when one has a single row, when there is one class only, or when an epoch is smaller
    than a batch.
    """

    layout = "anchor|positive|negative"
    sections = 3

    def __init__(
        self,
        labels: IntArray,
        class_names: Sequence[str],
        seed: int,
        batch_size: int = 128,
        triplets_per_epoch: int | None = None,
    ) -> None:
        self.batch_size = check_positive("TripletBatches.batch_size", batch_size)
        self._classes = ClassRows(labels, class_names, "TripletBatches")
        self._classes.require_classes(
            2,
            "a negative comes from another class",
            "look at FashionDataset.label_column and main.train_rows",
        )
        self._classes.require_rows(
            2,
            "a positive is another row of the anchor's class",
            "leave small classes out with main.train_rows = @SelectRows and "
            "SelectRows.min_per_class = 4",
        )
        self._seed = seed
        self._triplets = len(labels)
        if triplets_per_epoch is not None:
            self._triplets = check_positive("TripletBatches.triplets_per_epoch", triplets_per_epoch)
        if self._triplets < batch_size:
            raise UserError(
                f"TripletBatches.batch_size is {batch_size}, but an epoch has only "
                f"{self._triplets} triplets: bind TripletBatches.batch_size = {self._triplets} or "
                "less, or raise TripletBatches.triplets_per_epoch."
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._triplets // self.batch_size

    def batches(self, epoch: int) -> list[IntArray]:
        """int64 [3 * batch_size] a batch: anchors, positives, negatives."""
        rng = seeding.generator(self._seed, epoch)
        grouped = self._classes.grouped
        used = len(self) * self.batch_size
        rounds = -(-used // len(grouped))
        anchors = np.concatenate([rng.permutation(len(grouped)) for _ in range(rounds)])[:used]
        # Places are in rows sorted by class, so that "same class" is one stretch of them.
        group = self._classes.group_of_place[anchors]
        start, count = self._classes.starts[group], self._classes.counts[group]
        others = rng.integers(1, count)  # steps round the class that never end on the anchor
        positives = start + (anchors - start + others) % count
        negatives = rng.integers(0, len(grouped) - count)
        negatives += np.where(negatives >= start, count, 0)
        places = np.stack([anchors, positives, negatives]).reshape(3, -1, self.batch_size)
        return list(grouped[places.swapaxes(0, 1).reshape(-1, 3 * self.batch_size)])
