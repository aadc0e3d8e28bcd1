"""How many cases of one kind went how, and the first examples of those that went wrong."""

from collections import Counter
from dataclasses import dataclass, field

FINE = ("right", "read", "refused", "interrupted", "finished before", "left out")
_SHOWN = 4


@dataclass
class Tally:
    """One line of the table; outcomes beside `FINE` are faults."""

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, outcome: str, told: str = "") -> None:
        """Count one case; told: what to look at, where it is a fault."""
        self.outcomes[outcome] += 1
        if outcome not in FINE:
            self.faults.append(f"{outcome}: {told}")

    def line(self) -> str:
        """The figures, and the first faults below them."""
        counts = ", ".join(f"{count:,} {what}" for what, count in self.outcomes.most_common())
        verdict = f"{len(self.faults)} FAULTS" if self.faults else "0 faults"
        line = f"{self.name:<44} {self.outcomes.total():>6,} cases  {verdict:<10}  {counts}"
        return "\n".join([line, *(f"    {fault}" for fault in self.faults[:_SHOWN])])
