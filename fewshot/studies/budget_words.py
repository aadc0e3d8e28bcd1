"""What a label-budget study found, in sentences: a method each, fine-tuned, at one budget."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from fewshot.studies.labels_worth import count, told, told_interval
from fewshot.studies.paired_differences import LEVEL, TRAINED


def ranking(found: pd.DataFrame, figure: str, budget: str) -> tuple[list[str], int]:
    """The methods that were fine-tuned at a budget, best mean first, and of how many seeds.

    These are the seeds that all of them have; where they share none, each counts by its own, and
    the number is 0.
    """
    some = found[(found["budget"] == budget) & (found["way"] == TRAINED)]
    of = some.pivot(index="method", columns="seed", values=figure)
    common = of.dropna(axis=1)
    means = (common if len(common.columns) else of).mean(axis=1)
    order = means.sort_values(ascending=False, kind="stable").index
    return [str(method) for method in order], len(common.columns)


class Words(NamedTuple):
    """A heading, a sentence a method, and which of their differences hold; empty of one seed."""

    head: str = ""
    methods: Sequence[str] = ()
    verdict: str = ""

    @property
    def text(self) -> str:
        """All of it, a line each."""
        return "\n".join(filter(None, [self.head, *self.methods, self.verdict]))


def in_words(
    found: pd.DataFrame, figure: str, differences: pd.DataFrame, worths: pd.DataFrame, budget: str
) -> Words:
    """What fine-tuning each method is worth at a budget, and which differences to scratch hold.

    differences, worths: of `paired` and `worth`. Empty where nothing can be compared.
    """
    if "difference" not in differences:
        return Words()
    methods, shared = ranking(found, figure, budget)
    here = _by_method(differences[differences["difference"].notna()], budget)
    worth = {} if worths.empty else _by_method(worths, budget)
    methods = [method for method in methods if method in here]
    if not methods:
        return Words()
    seeds = f"the {shared} seeds" if shared > 1 else "the one seed"
    over = f"over {seeds} that all have" if shared else "over the seeds of each, as all share none"
    labels = count(float(found[found["budget"] == budget]["labels"].mean()))
    return Words(
        f"Fine-tuned with {labels} labels a class, in the order of mean test {figure} {over}:",
        [
            _sentence(method, here[method], worth.get(method), len(methods) > 1)
            for method in methods
        ],
        _verdict([here[method] for method in methods]),
    )


def _by_method(table: pd.DataFrame, budget: str) -> dict[str, dict[Any, Any]]:
    some = table[(table["budget"] == budget) & (table["way"] == TRAINED)]
    return {str(row["method"]): row for row in some.to_dict("records")}


def _sentence(
    method: str, row: Mapping[Any, Any], worth: Mapping[Any, Any] | None, several: bool
) -> str:
    """A method's difference to scratch at a budget, and what it is worth where that is known.

    several: whether others were compared, for which its p is adjusted.
    """
    seeds = int(row["n_difference"])
    adjusted = f"{_p('adjusted', row['p_holm'], ' ')}, " if several else ""
    tested = f"{_p('p', row['p'])}, {adjusted}" if seeds > 1 else ""
    number = f"{points(row)} points ({tested}n = {seeds})"
    if worth is None:
        return f"With {method}, the difference to scratch is {number}."
    interval = told_interval(worth)
    beside = [f"95 % interval {interval}"] if interval else []
    beside += [f"n = {worth['n']}"] if worth["n"] != seeds else []
    brackets = f" ({', '.join(beside)})" if beside else ""
    return (
        f"With {method}, {count(worth['labels'])} labels a class do what {told(worth)} do from "
        f"scratch{brackets}; the difference to scratch is {number}."
    )


def points(row: Mapping[Any, Any]) -> str:
    """A row's difference in percentage points, with its 95 % half width where it has one."""
    half = 100 * row["difference_ci95"]
    return f"{100 * row['difference']:+.1f}" + (f" ± {half:.1f}" if np.isfinite(half) else "")


def _p(name: str, value: float, equal: str = " = ") -> str:
    return f"{name} < 0.0001" if value < 0.0001 else f"{name}{equal}{value:.2g}"


def _verdict(rows: Sequence[Mapping[Any, Any]]) -> str:
    """Which differences of a family hold after adjusting; nothing of single seeds."""
    tested = [row for row in rows if np.isfinite(row["p_holm"])]
    hold = [row["method"] for row in tested if row["p_holm"] < LEVEL]
    others = [row["method"] for row in tested if row["p_holm"] >= LEVEL]
    level = f"at the level of {LEVEL:.0%}".replace("%", " %")
    several = len(tested) > 1
    adjusted = f"Adjusted by Holm for {len(tested)} comparisons, {level}" if several else level
    adjusted = adjusted[:1].upper() + adjusted[1:]
    if not hold:
        return f"{adjusted}, no difference to scratch holds." if others else ""
    what = "difference" if len(hold) == 1 else "differences"
    verb = "holds" if len(hold) == 1 else "hold"
    rest = f"; none was shown for {_listed(others)}" if others else ""
    return f"{adjusted}, the {what} of {_listed(hold)} to scratch {verb}{rest}."


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
