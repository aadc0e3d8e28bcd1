"""The text of a label-budget study's report: a table for each way, labels saved, what holds."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from fewshot.reports.tables import markdown
from fewshot.studies.budget_words import Words, points
from fewshot.studies.labels_worth import FAR, count, told_bound, told_interval
from fewshot.studies.paired_differences import LEVEL, TRAINED, UNTRAINED

_FILES = """\
- `runs.csv`, a row a run, of a probe a head and budget: `budget` as it was asked for; `rows`, how
  many images were trained on; `smallest_class` and `labels`, how many of them the smallest class
  and the mean class had; the figure on the test split, a fraction; `folder` of the run.
- `paired.csv`, a row a method, way and budget: `mean` over `n` seeds and `ci95`, half its 95 %
  interval; `difference` to scratch with the same labels over `n_difference` seeds that both have,
  with its `difference_ci95`, whether the interval is `above_zero`, `p` of the paired t test, and
  `p_holm`, adjusted for all methods fine-tuned at that budget, or for all heads at it;
  `difference_to_all` and what follows: to scratch with the most labels.
- `labels_worth.csv`: `own`, the mean figure with `labels` a class over `n` seeds, is that of
  `same_as` labels from scratch, 95 % interval `low` to `high`, where 0 stands for fewer than the
  `fewest` that scratch had and inf for more than the `most`; `measured_below` and
  `measured_above`, the budgets that `same_as` lies between; `coarse`, whether it is a rough guess.
"""


def study_text(
    figure: str, differences: pd.DataFrame, worths: pd.DataFrame, labels: Mapping[str, float],
    words: Words, scratch: str,
) -> str:  # fmt: skip
    """study.md: the picture, the tables, the sentences, and what the files' columns are.

    differences, worths: of `paired` and `worth`; labels: {budget: mean labels a class}, few first.
    """
    level = f"{100 * LEVEL:.0f} %"
    parts = [
        f"# Test {figure} by labels a class",
        f"In points, means over {_seeds(_usual_seeds(differences))} (a cell of others says so); in "
        "brackets the difference to training from scratch on the same labels, paired by seed, with "
        f"its 95 % interval by Student's t. A star: it holds at the level of {level} when p is "
        "adjusted by Holm for all methods fine-tuned at that budget, or all heads at it; "
        "neither budgets are adjusted for one another nor any interval for the others.",
        "![curves](curves.png)",
    ]
    for way in sorted(differences["way"].unique(), key=lambda way: way != TRAINED):
        kind = "" if way == TRAINED else " on frozen features"
        parts += [f"## {way}{kind}", markdown(table_of(differences, way, labels, scratch))]
    saved = saved_labels(worths, labels)
    if len(saved):
        parts += ["## Labels a class that do as much from scratch", _reading(labels)]
        parts += [markdown(saved)]
    if words.methods:
        parts += ["## In words", words.head, "\n".join(f"- {line}" for line in words.methods)]
        parts += [words.verdict]
    return "\n\n".join(filter(None, [*parts, "## The files", _FILES]))


def _reading(labels: Mapping[str, float]) -> str:
    """How the table of labels saved is to be read."""
    known = list(labels.values())
    gaps = [
        f"between {count(below)} and {count(above)}"
        for below, above in pairwise(known)
        if above / below > FAR
    ]
    return " ".join(
        [
            "Fine-tuned, in brackets the 95 % interval; interpolated between budgets and rounded "
            f"to two digits. ~: a rough guess, as budgets are more than {FAR}-fold apart there or "
            "the interval holds several.",
            *([f"Nothing was measured {' or '.join(gaps)}."] if gaps else []),
        ]
    )


def table_of(
    differences: pd.DataFrame, way: str, labels: Mapping[str, float], scratch: str
) -> pd.DataFrame:
    """A row a budget, a column a method: mean (difference to scratch), in points, of one way."""
    usual = _usual_seeds(differences)
    some = differences[differences["way"] == way].to_dict("records")
    cells = {(row["method"], row["budget"]): _cell(row, usual) for row in some}
    methods = dict.fromkeys(row["method"] for row in some)
    untrained = {scratch: UNTRAINED} if way != TRAINED else {}
    columns = {
        untrained.get(method, method): [cells.get((method, budget)) for budget in labels]
        for method in methods
    }
    return pd.DataFrame({"labels a class": _budgets(labels), **columns})


def _cell(row: Mapping[Any, Any], usual: int) -> str:
    text, seeds = f"{100 * row['mean']:.1f}", row["n"]
    if np.isfinite(row.get("difference", np.nan)):
        star = "*" if row["p_holm"] < LEVEL else ""
        text, seeds = f"{text} ({points(row)}){star}", int(row["n_difference"])
    return text if seeds == usual else f"{text}, n = {seeds}"


def _usual_seeds(differences: pd.DataFrame) -> int:
    """How many seeds most rows of `paired` have."""
    return int(differences["n"].mode().max())


def _seeds(count: int) -> str:
    return f"n = {count} seeds" if count > 1 else "one seed"


def saved_labels(worths: pd.DataFrame, labels: Mapping[str, float]) -> pd.DataFrame:
    """A row a budget, a column a method: as many labels from scratch do as much, fine-tuned."""
    if worths.empty:
        return worths
    some = worths[worths["way"] == TRAINED].to_dict("records")
    cells = {(row["method"], row["budget"]): _saved(row) for row in some}
    methods = dict.fromkeys(row["method"] for row in some)
    columns = {m: [cells.get((m, budget)) for budget in labels] for m in methods}
    return pd.DataFrame({"labels a class": _budgets(labels), **columns})


def _saved(row: Mapping[Any, Any]) -> str:
    interval = told_interval(row)
    rough = "~" if row["coarse"] else ""
    return rough + told_bound(row["same_as"], row) + (f" ({interval})" if interval else "")


def _budgets(labels: Mapping[str, float]) -> list[str]:
    """Budgets as asked for, and how many labels that was where the name does not say it."""
    return [
        budget if budget == count(mean) else f"{budget} ({count(mean)})"
        for budget, mean in labels.items()
    ]
