"""The lines of a label-budget study's picture: each method's figures, and those over scratch's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from fewshot.evaluation.intervals import Values, over_runs
from fewshot.reports.palette import INK, class_colours
from fewshot.studies.paired_differences import TRAINED, curves

NOT_TRAINED = "untrained"  # what heads on frozen features have from scratch, where room is scarce
_MARKERS = "oDs^vPX*ph"


class Line(NamedTuple):
    """Means at labels a class [B], with halves of their 95 % intervals, nan where unknown."""

    name: str
    colour: str
    marker: str
    style: str
    labels: Values
    means: Values
    halves: Values


@dataclass(frozen=True)
class BudgetLines:
    """Single runs as lines, in hundredths; a method looks the same in all of them.

    of: {(method, way): a row a seed, a column a budget}; labels: {budget: mean labels a class}, few
    first; colours: of each method but from scratch.
    """

    of: Mapping[tuple[str, str], pd.DataFrame]
    labels: "pd.Series[float]"
    scratch: str
    colours: Mapping[str, str]

    @classmethod
    def read(cls, found: pd.DataFrame, figure: str, scratch: str) -> "BudgetLines":
        """From a row a run, as `collected` gives it."""
        methods = [method for method in found["method"].unique() if method != scratch]
        colours = dict(zip(methods, class_colours(len(methods)), strict=True))
        labels = found.groupby("budget")["labels"].mean().sort_values()
        return cls(curves(found, figure), labels, scratch, colours)

    @property
    def heads(self) -> list[str]:
        """The ways to use frozen features."""
        return [way for way in dict.fromkeys(way for _, way in self.of) if way != TRAINED]

    def figures(self, way: str) -> list[Line]:
        """A line a method that has this way, and training from scratch beside them."""
        base = [key for key in [(self.scratch, TRAINED)] if key in self.of]
        some = [key for key in self.of if key[1] == way]
        return [self._line(*key, self.of[key]) for key in dict.fromkeys([*base, *some])]

    def differences(self) -> list[Line]:
        """A line a method that is fine-tuned: what it has over scratch, seed by seed."""
        base = self.of.get((self.scratch, TRAINED))
        if base is None:
            return []
        others = [method for method, way in self.of if way == TRAINED and method != self.scratch]
        apart = {m: (self.of[m, TRAINED] - base).dropna(axis=1, how="all") for m in others}
        return [self._line(m, TRAINED, of_m) for m, of_m in apart.items() if of_m.size]

    def _line(self, method: str, way: str, curve: pd.DataFrame) -> Line:
        name, colour, marker, style = method, INK, ".", "--"
        if method != self.scratch:
            place = list(self.colours).index(method)
            colour, marker, style = self.colours[method], _MARKERS[place % len(_MARKERS)], "-"
        elif way != TRAINED:
            name, style = NOT_TRAINED, ":"
        budgets = [budget for budget in self.labels.index if budget in curve]
        told = [over_runs(100 * curve[budget].dropna().to_numpy(float)) for budget in budgets]
        means: Values = np.array([one.mean for one in told])
        halves: Values = np.array([one.ci95 for one in told])
        labels = np.asarray(self.labels[budgets], dtype=np.float64)
        return Line(name, colour, marker, style, labels, means, halves)
