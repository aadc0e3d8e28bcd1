"""The label-budget study: which runs it is made of."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gin

from fewshot.binding import config
from fewshot.binding.suggestions import did_you_mean
from fewshot.errors import UserError
from fewshot.studies.designs.probes import check_trains_nothing, named, probes
from fewshot.studies.plan import PlannedRun

SCRATCH = "scratch"
PRETRAINED = "pretrained"  # beside the study's folder, so that others find it
FIGURES = ("top1", "top5", "mean_class_top1")  # what both @Classification and @LabelBudgets give


@gin.register
@dataclass(frozen=True)
class LabelBudget:
    """From scratch and from each pretext method, at several numbers of labels a class, over seeds.

    pretext: {method: configs of its pretraining}, which sees all training images and no label, once
    a seed; training: configs that train on the labels of a budget, from scratch or from the
    pretrained encoder, under the same name as the pretraining's; probing: configs that evaluate
    @LabelBudgets on the frozen features, from scratch those of an untrained encoder; budgets:
    labels a class, None for all; seeds: of everything, so that within one all methods have the same
    rows; figure: the accuracy of the test split that is told, one of FIGURES. Raises UserError for
    what makes no study.
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
        if self.figure not in FIGURES:
            near = did_you_mean(str(self.figure).rpartition("/")[2], FIGURES)
            raise UserError(
                f"LabelBudget.figure is {self.figure!r}, which no run would tell.{near} There are: "
                f"{', '.join(FIGURES)}, all of the test split."
            )

    @property
    def methods(self) -> list[str]:
        """From scratch, then the pretext methods."""
        return [SCRATCH, *self.pretext]

    def runs(
        self,
        bindings: Sequence[str] = (),
        configs: Sequence[str] = (),
        there: Collection[str] = (),
    ) -> Iterator[PlannedRun]:
        """All runs, whole seeds first; the bindings and configs are put behind each run's.

        there: names of the folders that an earlier study of the same place left: budgets that its
        probes have are not probed again. Raises UserError where the probes would train.
        """
        check_trains_nothing([*self.probing, *configs], bindings)
        for seed in self.seeds:
            seeded = [*bindings, f"main.seed = {seed}"]
            for method in self.methods:
                after = None
                if method != SCRATCH:
                    own = [*self.pretext[method], *configs]
                    after = f"{method}-{content_key(own, seeded)}"
                    yield PlannedRun(after, own, seeded, beside=PRETRAINED)
                planned = [
                    *self._probes(method, seed, seeded, there),
                    *self._trained(method, seed, seeded),
                ]
                for run in planned:
                    yield replace(run, configs=[*run.configs, *configs], after=after)

    def _probes(
        self, method: str, seed: int, bindings: Sequence[str], there: Collection[str]
    ) -> Iterator[PlannedRun]:
        """Those whose heads stand on frozen features; columns tell which budgets are theirs."""
        for probe in probes(method, seed, self.budgets, there):
            own = [f"LabelBudgets.seed = {seed}", f"LabelBudgets.budgets = {probe.budgets}"]
            columns = {"method": method, "seed": seed, "budgets": probe.told}
            yield PlannedRun(probe.name, self.probing, [*bindings, *own], columns=columns)

    def _trained(self, method: str, seed: int, bindings: Sequence[str]) -> Iterator[PlannedRun]:
        """One a budget, on the rows that it allows."""
        for budget in self.budgets:
            own = _rows(budget)
            columns = {"method": method, "seed": seed, "budget": named(budget)}
            name = f"{method}-{named(budget)}-seed{seed}"
            yield PlannedRun(name, self.training, [*bindings, *own], columns=columns)


def content_key(configs: Sequence[str], bindings: Sequence[str]) -> str:
    """A name for everything that these bind: equal for equal runs, whatever study they are of."""
    text = config.load(list(configs), list(bindings)).text
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def _rows(budget: int | None) -> list[Any]:
    if budget is None:
        return []
    return ["main.train_rows = @SelectRows", f"SelectRows.per_class = {budget}"]
