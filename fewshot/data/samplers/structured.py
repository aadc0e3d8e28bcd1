"""Batches balanced over classes: P x K for metric learning, episodes for few-shot learning."""

from collections.abc import Sequence

import gin
import numpy as np

from fewshot import seeding
from fewshot.batch import IntArray
from fewshot.data.samplers.class_rows import ClassRows
from fewshot.data.samplers.unstructured import check_positive
from fewshot.errors import UserError


@gin.register
class BalancedBatches:
    """P classes a batch, K images of each (https://arxiv.org/abs/1703.07737).

    classes_per_batch: P; images_per_class: K, different rows; only a class with fewer than K gives
    some of them more than once (augmented differently); batches_per_epoch: by default as many as
    show as many images as there are rows; frequency_power: 0 draws classes uniformly, so rare ones
    are seen as often as frequent ones, 0.5 in proportion to the square root of their rows, 1 to
    their rows. The batch is class-major. Raises UserError with fewer than P classes.
    """

    layout = "image"
    sections = 1

    def __init__(
        self,
        labels: IntArray,
        class_names: Sequence[str],
        seed: int,
        classes_per_batch: int = 8,
        images_per_class: int = 16,
        batches_per_epoch: int | None = None,
        frequency_power: float = 0.0,
    ) -> None:
        check_positive("BalancedBatches.classes_per_batch", classes_per_batch)
        check_positive("BalancedBatches.images_per_class", images_per_class)
        self._classes = ClassRows(labels, class_names, "BalancedBatches")
        self._classes.require_classes(
            classes_per_batch,
            f"BalancedBatches.classes_per_batch = {classes_per_batch}",
            "lower it, or train on rows of more classes",
        )
        self.classes_per_batch = classes_per_batch
        self.images_per_class = images_per_class
        if frequency_power < 0:
            raise UserError(
                f"BalancedBatches.frequency_power is {frequency_power}: bind 0 (uniform) or more."
            )
        self._frequency_power = frequency_power
        self._seed = seed
        self._batches = max(1, len(labels) // (classes_per_batch * images_per_class))
        if batches_per_epoch is not None:
            self._batches = check_positive("BalancedBatches.batches_per_epoch", batches_per_epoch)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self._batches

    def batches(self, epoch: int) -> list[IntArray]:
        """int64 [P * K] a batch, the K rows of a class side by side."""
        rng = seeding.generator(self._seed, epoch)
        rows = self._classes.draw_classes(
            rng,
            self._batches,
            self.classes_per_batch,
            self.images_per_class,
            self._frequency_power,
        )
        return list(rows.reshape(self._batches, -1))


@gin.register
class Episodes:
    """N-way K-shot episodes: few-shot tasks drawn from the training classes.

    n_way: classes of an episode; n_shot, n_query: rows of each in its support and its query part,
    all different. A batch is one episode, flat: the support part (n_shot rows of the first class,
    then of the second, ...), then the query part (n_query rows of the same classes in the same
    order). Raises UserError with fewer than N classes, and naming a class with fewer than n_shot +
    n_query rows.
    """

    layout = "support|query"
    sections = 1  # the parts differ in length: an episode is shared as it stands

    def __init__(
        self,
        labels: IntArray,
        class_names: Sequence[str],
        seed: int,
        n_way: int = 5,
        n_shot: int = 5,
        n_query: int = 15,
        episodes_per_epoch: int = 100,
    ) -> None:
        sizes = {"n_way": n_way, "n_shot": n_shot, "n_query": n_query}
        for name, size in sizes.items():
            check_positive(f"Episodes.{name}", size)
        self.n_way, self.n_shot, self.n_query = n_way, n_shot, n_query
        self._episodes = check_positive("Episodes.episodes_per_epoch", episodes_per_epoch)
        self._seed = seed
        self._classes = ClassRows(labels, class_names, "Episodes")
        self._classes.require_classes(
            n_way, f"Episodes.n_way = {n_way}", "lower it, or train on rows of more classes"
        )
        self._classes.require_rows(
            n_shot + n_query,
            f"Episodes.n_shot = {n_shot} and Episodes.n_query = {n_query}",
            "lower one of the two, or leave small classes out with main.train_rows = @SelectRows "
            f"and SelectRows.min_per_class = {n_shot + n_query}",
        )

    def __len__(self) -> int:
        """Episodes in an epoch."""
        return self._episodes

    def batches(self, epoch: int) -> list[IntArray]:
        """int64 [n_way * (n_shot + n_query)] an episode: support, then query, class-major each."""
        rng = seeding.generator(self._seed, epoch)
        size = self.n_shot + self.n_query
        rows = self._classes.draw_classes(rng, self._episodes, self.n_way, size)
        support = rows[:, :, : self.n_shot].reshape(self._episodes, -1)
        query = rows[:, :, self.n_shot :].reshape(self._episodes, -1)
        return list(np.concatenate([support, query], axis=1))
