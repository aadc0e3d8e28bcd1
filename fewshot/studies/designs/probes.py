"""The probes of a label-budget study: which budgets each has, those of an earlier study reused."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import gin

from fewshot.binding import config
from fewshot.errors import UserError

_ALL = "all"


@dataclass(frozen=True)
class Probe:
    """One run: its folder's name, its budgets, and those of them that are told."""

    name: str
    budgets: tuple[int | None, ...]
    told: tuple[str, ...]


def probes(
    method: str, seed: int, budgets: Sequence[int | None], there: Collection[str]
) -> Iterator[Probe]:
    """Those of a method and seed, each budget told by one.

    there: names of folders; what the probes among them have is not probed again, so that a budget
    more needs only its own.
    """
    missing = list(budgets)
    for name in sorted(there):
        has = _budgets_of(name, method, seed)
        told = [budget for budget in missing if budget in has]
        if told:
            yield Probe(name, has, tuple(map(named, told)))
            missing = [budget for budget in missing if budget not in has]
    if missing:
        words = tuple(map(named, missing))
        yield Probe(f"{method}-probe-{'_'.join(words)}-seed{seed}", tuple(missing), words)


def _budgets_of(name: str, method: str, seed: int) -> tuple[int | None, ...]:
    """The budgets that a probe's folder is named by; none where it is another's."""
    start, end = f"{method}-probe-", f"-seed{seed}"
    if not (name.startswith(start) and name.endswith(end)):
        return ()
    words = name[len(start) : -len(end)].split("_")
    if not all(word == _ALL or (word.isascii() and word.isdecimal()) for word in words):
        return ()
    return tuple(None if word == _ALL else int(word) for word in words)


def named(budget: int | None) -> str:
    """A budget as it stands in tables and file names."""
    return _ALL if budget is None else str(budget)


def check_trains_nothing(configs: Sequence[str], bindings: Sequence[str]) -> None:
    """Raises UserError where a probe of these would train, and so see all labels."""
    config.load(list(configs), list(bindings))
    bound = config.is_bound("", "main", "num_epochs")
    epochs = gin.get_bindings("main")["num_epochs"] if bound else "unbound"
    if epochs != 0:
        raise UserError(
            f"the probes of a label-budget study train nothing, and main.num_epochs, {epochs}, "
            "would have them learn from all labels. What -p and -c add reaches every run, "
            "pretraining and probes, too: bind what is meant for one kind in a file that "
            "LabelBudget.training, .probing or .pretext names, such as "
            "-p \"LabelBudget.training = ['configs/label_budget/training.gin', 'longer.gin']\"."
        )
