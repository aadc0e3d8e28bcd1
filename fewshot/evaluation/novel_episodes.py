"""Which episodes few-shot evaluation draws: classes, images and episodes, and by which seed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import gin

from fewshot.errors import UserError
from fewshot.evaluation.episodes import DrawnEpisodes, Pool, draw_episodes


class Setting(NamedTuple):
    """How many classes and how many labelled images of each an episode has."""

    n_way: int
    n_shot: int

    def __str__(self) -> str:
        return f"{self.n_way}-way {self.n_shot}-shot"


@gin.register
class NovelEpisodes:
    """Episodes of classes never trained on, for every combination of n_way and n_shot.

    n_way: numbers or 'all'; n_shot: numbers; n_query: queries a class. seed: of the episodes, which
    are the same for every head, batch size and model; only a model that knows some of the novel
    images pixel for pixel has others, as those are left out. Raises UserError for what is no such
    number.
    """

    def __init__(
        self,
        n_way: int | str | Sequence[int | str] = 5,
        n_shot: int | Sequence[int] = (1, 5),
        n_query: int = 15,
        n_episodes: int = 1000,
        seed: int = 0,
    ) -> None:
        self.n_way = tuple(n_way) if isinstance(n_way, list | tuple) else (n_way,)
        self.n_shot = tuple(n_shot) if isinstance(n_shot, list | tuple) else (n_shot,)
        self.n_query = n_query
        self.n_episodes = n_episodes
        self.seed = seed
        self._check()

    def settings(self, n_classes: int) -> list[Setting]:
        """Every combination, 'all' being so many classes."""
        ways = dict.fromkeys(n_classes if way == "all" else int(way) for way in self.n_way)
        return [Setting(n_way, n_shot) for n_way in ways for n_shot in self.n_shot]

    def check(self, pool: Pool) -> None:
        """Raises UserError where the pool is too small for a setting."""
        for n_way in dict.fromkeys(way for way, _ in self.settings(len(pool.class_names))):
            pool.check(n_way, max(self.n_shot), self.n_query)

    def drawn(self, pool: Pool, setting: Setting) -> DrawnEpisodes:
        """The episodes of one setting; see `draw_episodes`."""
        return draw_episodes(pool, *setting, self.n_query, self.n_episodes, self.seed)

    def _check(self) -> None:
        counts: dict[str, Sequence[Any]] = {
            "n_way": [n for n in self.n_way if n != "all"],
            "n_shot": self.n_shot,
            "n_query": [self.n_query],
            "n_episodes": [self.n_episodes],
        }
        for name, values in counts.items():
            least = 2 if name in ("n_way", "n_episodes") else 1
            if not values and (name != "n_way" or not self.n_way):
                raise UserError(f"NovelEpisodes.{name} is empty: bind at least one number.")
            for value in values:
                if not isinstance(value, int) or value < least:
                    also = " or 'all'" if name == "n_way" else ""
                    raise UserError(
                        f"NovelEpisodes.{name} is {value!r}: use a whole number of {least} or "
                        f"more{also}."
                    )
