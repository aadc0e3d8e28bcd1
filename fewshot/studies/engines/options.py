"""What a command line says of the engine: how many runs at a time, where, and with what each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fewshot.errors import UserError


@dataclass(frozen=True)
class EngineOptions:
    """jobs: runs at a time; address: of the cluster, None for one here; resources: of each run."""

    jobs: int = 1
    address: str | None = None
    resources: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise UserError(f"--jobs is {self.jobs}: give 1 or more.")


def read_resources(words: Sequence[str]) -> dict[str, float]:
    """{"CPU": 2.0} of ["CPU=2"]; raises UserError for what says no amount."""
    found = {}
    for word in words:
        name, _, amount = word.partition("=")
        try:
            found[name] = float(amount)
        except ValueError:
            found[name] = -1.0
        if not name or not 0 <= found[name] < float("inf"):
            raise UserError(f"--resources {word}: give a name and an amount, such as GPU=1.")
    return found
