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
        """A run ended after so many seconds, which tell nothing where it failed."""
        self.skip(kind, failed)
        if not failed:
            self._seconds[kind].append(seconds)

    def seconds_left(self) -> float:
        """What the runs that are left take, by those like them, else by the longest known kind.

        nan before any end. Side by side the short ones end first, so that a mean would be too low.
        """
        alike = {kind: sum(values) / len(values) for kind, values in self._seconds.items()}
        if not alike:
            return float("nan")
        each = [alike.get(kind, max(alike.values())) for kind in self._left]
        return max(sum(each) / self._jobs, max(each, default=0.0))

    def told(self, going: int = 0) -> str:
        """One line for the reader."""
        said = [f"{self._all - len(self._left) - self._failed} of {self._all} runs are done"]
        said += [f"{self._failed} failed or were left out"] if self._failed else []
        said += [f"{going} going on"] if going else []
        return ", ".join(said) + (self._foretold() if self._left and self._seconds else "")

    def _foretold(self) -> str:
        guessed = sum(kind not in self._seconds for kind in self._left)
        of_unknown = f" ({guessed} of them of kinds that none has ended of)" if guessed else ""
        return f"; about {format_seconds(self.seconds_left())} left{of_unknown}"
