"""The label-budget study: which runs it is made of."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gin

from fewshot.binding import config
from fewshot.errors import UserError
from fewshot.studies.plan import PlannedRun

SCRATCH = "scratch"
PRETRAINED = "pretrained"  # beside the study's folder, so that others find it


@gin.register
@dataclass(frozen=True)
class LabelBudget:
    """From scratch and from each pretext method, at several numbers of labels a class, over seeds.

    pretext: {method: configs of its pretraining}, which sees all training images and no label, once
    a seed; training: configs that train on the labels of a budget, from scratch or from the
    pretrained encoder, under the same name as the pretraining's; probing: configs that evaluate
    @LabelBudgets on the frozen features, from scratch those of an untrained encoder; budgets:
    labels a class, None for all; seeds: of everything, so that within one all methods have the same
    rows; figure: of the test split, that is told. Raises UserError for what makes no study.
    """

    pretext: Mapping[str, Sequence[str]] = field(default_factory=dict)
    training: Sequence[str] = ()
    probing: Sequence[str] = ()
    budgets: Sequence[int | None] = (1, 2, 5, 10, 20, 50, 100, None)
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    figure: str = "top1"

    def __post_init__(self) -> None:
        for name in ("pretext", "training", "probing"):
            if not getattr(self, name):
                raise UserError(
                    f"LabelBudget.{name} is not bound: take configs/studies/label_budget.gin, or "
                    "bind it as that does."
                )
        counts = [budget for budget in self.budgets if budget is not None]
        in_order = counts == sorted(set(counts)) and None not in self.budgets[:-1]
        if not counts or not in_order or counts[0] < 1:
            raise UserError(
                f"LabelBudget.budgets is {self.budgets!r}: name numbers from 1 on, rising, and "
                "last, if at all, None for all labels."
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"LabelBudget.seeds is {self.seeds!r}: name one or more, each once.")
        if SCRATCH in self.pretext:
            raise UserError(f"LabelBudget.pretext calls a method '{SCRATCH}': give another name.")

    @property
    def methods(self) -> list[str]:
        """From scratch, then the pretext methods."""
        return [SCRATCH, *self.pretext]

    def runs(
        self, bindings: Sequence[str] = (), configs: Sequence[str] = ()
    ) -> Iterator[PlannedRun]:
        """All runs, whole seeds first; the bindings and configs are put behind each run's."""
        for seed in self.seeds:
            for method in self.methods:
                yield from self._of(method, seed, [*bindings], [*configs])

    def _of(
        self, method: str, seed: int, bindings: list[str], configs: list[str]
    ) -> Iterator[PlannedRun]:
        seeded = [*bindings, f"main.seed = {seed}"]
        after = None
        if method != SCRATCH:
            own = [*self.pretext[method], *configs]
            after = f"{method}-{content_key(own, seeded)}"
            yield PlannedRun(after, own, seeded, beside=PRETRAINED)
        columns = {"method": method, "seed": seed}
        probing = [f"LabelBudgets.seed = {seed}", f"LabelBudgets.budgets = {tuple(self.budgets)}"]
        yield PlannedRun(
            f"{method}-probe-seed{seed}",
            [*self.probing, *configs],
            [*seeded, *probing],
            after=after,
            columns=columns,
        )
        for budget in self.budgets:
            yield PlannedRun(
                f"{method}-{named(budget)}-seed{seed}",
                [*self.training, *configs],
                [*seeded, *_rows(budget)],
                after=after,
                columns=columns | {"budget": named(budget)},
            )


def named(budget: int | None) -> str:
    """A budget as it stands in tables and file names."""
    return "all" if budget is None else str(budget)


def content_key(configs: Sequence[str], bindings: Sequence[str]) -> str:
    """A name for everything that these bind: equal for equal runs, whatever study they are of."""
    text = config.load(list(configs), list(bindings)).text
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def _rows(budget: int | None) -> list[Any]:
    if budget is None:
        return []
    return ["main.train_rows = @SelectRows", f"SelectRows.per_class = {budget}"]
