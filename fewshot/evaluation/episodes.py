"""N-way K-shot episodes as index arrays, a pure function of the labels and a seed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fewshot import seeding
from fewshot.batch import IntArray
from fewshot.errors import UserError
from fewshot.evaluation.threads import single_threaded_operations


@dataclass(frozen=True)
class DrawnEpisodes:
    """support int64 [E, N * K] and query [E, N * Q]: rows, class by class; classes int64 [E, N]."""

    support: Tensor
    query: Tensor
    classes: Tensor

    def digest(self, ids: Sequence[str]) -> str:
        """Equal for equal images in equal places, so that accuracies may be compared in pairs."""
        found = hashlib.blake2b("\n".join(ids).encode(), digest_size=16)
        for part in (self.support, self.query):
            found.update(part.numpy().tobytes())
        return found.hexdigest()


@dataclass(frozen=True)
class Pool:
    """The images that episodes are drawn from: labels int64 [N] into class_names, none empty."""

    labels: IntArray
    class_names: tuple[str, ...]

    def check(self, n_way: int, n_shot: int, n_query: int) -> None:
        """Raises UserError when there are too few classes, or a class has too few images."""
        if len(self.class_names) < 2:
            raise UserError(
                f"episodes need two classes or more, and there are {len(self.class_names)}: bind "
                "another CSV of novel classes."
            )
        if n_way > len(self.class_names):
            raise UserError(
                f"NovelEpisodes.n_way is {n_way}, but there are {len(self.class_names)} "
                f"classes: use at most {len(self.class_names)}, or 'all'."
            )
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        needed = n_shot + n_query
        small = [f"'{self.class_names[i]}' {counts[i]}" for i in np.flatnonzero(counts < needed)]
        if small:
            more = f" and {len(small) - 5} more" if len(small) > 5 else ""
            raise UserError(
                f"classes with fewer distinct images than n_shot + n_query = {n_shot} + {n_query}: "
                f"{', '.join(small[:5])}{more}. Lower NovelEpisodes.n_shot or n_query, or "
                f"leave these classes out of the CSV (create_splits.sh --min-per-class {needed})."
            )


@single_threaded_operations()
def draw_episodes(
    pool: Pool, n_way: int, n_shot: int, n_query: int, n_episodes: int, seed: int
) -> DrawnEpisodes:
    """Episode i depends on (seed, N, K, Q, i) and the pool's labels, and on nothing else.

    Classes are drawn without replacement, each as often as another; so are the K + Q images of a
    class. Raises UserError as `Pool.check`.
    """
    pool.check(n_way, n_shot, n_query)
    counts = torch.from_numpy(np.bincount(pool.labels, minlength=len(pool.class_names)))
    by_class = torch.from_numpy(np.argsort(pool.labels, kind="stable"))
    starts = counts.cumsum(0) - counts
    episode = torch.arange(n_episodes)
    constants = (seed, n_way, n_shot, n_query)
    keys = torch.stack([episode, *(torch.full_like(episode, value) for value in constants)], dim=1)
    total = torch.full_like(episode, len(pool.class_names))
    classes = _distinct(seeding.KeyedRandom(keys), total, n_way)
    place = torch.arange(n_way).repeat(n_episodes)
    slots = torch.cat([keys.repeat_interleave(n_way, 0), place.unsqueeze(1)], dim=1)
    chosen = classes.flatten()
    within = _distinct(seeding.KeyedRandom(slots), counts[chosen], n_shot + n_query)
    rows = by_class[starts[chosen].unsqueeze(1) + within].view(n_episodes, n_way, -1)
    support, query = rows.split([n_shot, n_query], dim=2)
    return DrawnEpisodes(support.flatten(1), query.flatten(1), classes)


def _distinct(random: seeding.KeyedRandom, sizes: Tensor, count: int) -> Tensor:
    """int64 [B, count]: in row b, distinct numbers below sizes[b], every ordered choice alike.

    Floyd's sampling (https://doi.org/10.1145/30401.315746), then a random order.
    """
    chosen = torch.empty((count, len(sizes)), dtype=torch.int32)
    for i in range(count):
        last = (sizes - count + i).int()
        drawn = (random.uniform().double() * (last + 1)).int()
        taken = (chosen[:i] == drawn).any(0)
        chosen[i] = torch.where(taken, last, drawn)
    # each row's places in order of a draw; numpy sorts short rows of integers several times faster
    draws = [(random.uniform() * (1 << 24)).long() * count + i for i in range(count)]
    order = torch.from_numpy(np.sort(torch.stack(draws, dim=1).numpy(), axis=1)) % count
    return chosen.T.gather(1, order).long()
