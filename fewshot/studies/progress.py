"""How much of a study is done, and how long the rest will take."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

from fewshot.reports.tables import format_seconds


class Progress:
    """Counts runs that end and foretells the others by the seconds of those like them.

    kinds: what each run of the study is like, for example its method and budget: runs of one kind
    take about as long. jobs: how many go side by side.
    """

    def __init__(self, kinds: Sequence[Hashable], jobs: int) -> None:
        self._left = list(kinds)
        self._all = len(kinds)
        self._jobs = jobs
        self._failed = 0
        self._seconds: dict[Hashable, list[float]] = defaultdict(list)

    def skip(self, kind: Hashable, failed: bool = False) -> None:
        """A run needed no time: it was completed before, or cannot be."""
        self._left.remove(kind)
        self._failed += failed

    def end(self, kind: Hashable, seconds: float, failed: bool = False) -> None:
        """A run ended after so many seconds."""
        self.skip(kind, failed)
        self._seconds[kind].append(seconds)

    def seconds_left(self) -> float:
        """What the runs that are left take, by those like them, else by all; nan before any end."""
        ended = [value for values in self._seconds.values() for value in values]
        if not ended:
            return float("nan")
        usual = sum(ended) / len(ended)
        alike = {kind: sum(values) / len(values) for kind, values in self._seconds.items()}
        return sum(alike.get(kind, usual) for kind in self._left) / self._jobs

    def told(self, going: int = 0) -> str:
        """One line for the reader."""
        said = [f"{self._all - len(self._left) - self._failed} of {self._all} runs are done"]
        said += [f"{self._failed} failed or were left out"] if self._failed else []
        said += [f"{going} going on"] if going else []
        left = f"; about {format_seconds(self.seconds_left())} left" if self._left else ""
        return ", ".join(said) + left
