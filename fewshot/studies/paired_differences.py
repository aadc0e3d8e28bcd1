"""Differences to training from scratch, seed by seed, and which of a family of them hold."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtr

from fewshot.evaluation.intervals import Values, over_runs

TRAINED = "fine-tuning"  # of scratch: training it all
UNTRAINED = "untrained encoder"  # what heads on frozen features have from scratch
LEVEL = 0.05  # of the tests


def curves(found: pd.DataFrame, figure: str) -> dict[tuple[str, str], pd.DataFrame]:
    """{(method, way): a row a seed, a column a budget}, few labels first, from single runs."""
    order = found.sort_values("labels")["budget"].unique()
    return {
        (str(method), str(way)): part.pivot(index="seed", columns="budget", values=figure).reindex(
            columns=[budget for budget in order if budget in set(part["budget"])]
        )
        for (method, way), part in found.groupby(["method", "way"], sort=False)
    }


def paired(found: pd.DataFrame, figure: str, scratch: str) -> pd.DataFrame:
    """A row a method, way and budget: its mean, and its difference to training from scratch.

    Differences are taken seed by seed: `difference` to scratch with the same labels,
    `difference_to_all` to scratch with the most; `..._ci95` are half widths by Student's t over the
    seeds that both have, of which there are n_difference(_to_all); n: seeds of the row's own;
    `above_zero`: whether the whole interval of the first is; p: of the paired t test that the first
    is zero; p_holm: the same, adjusted for the family that it is read with, which is all methods
    fine-tuned at that budget, or all heads of all encoders at it.
    """
    of = curves(found, figure)
    base = of.get((scratch, TRAINED))
    rows: list[dict[str, Any]] = []
    for (method, way), curve in of.items():
        for budget in curve.columns:
            own = curve[budget].dropna()
            mean, _, half = over_runs(own.to_numpy(float))
            row = {"method": method, "way": way, "budget": budget, "mean": mean, "ci95": half}
            if base is not None and curve is not base:
                row |= _differences(own, base, str(budget))
            rows.append(row | {"n": len(own)})
    table = pd.DataFrame(rows)
    if "p" in table:
        family = [table["budget"], table["way"] == TRAINED]
        adjusted = table.groupby(family)["p"].transform(lambda p: holm(p.to_numpy(float)))
        table["p_holm"] = adjusted
    return table


def _differences(own: "pd.Series[Any]", base: pd.DataFrame, budget: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, other in (("difference", budget), ("difference_to_all", base.columns[-1])):
        if other not in base:
            continue
        pairs = (own - base[other]).dropna().to_numpy(float)
        if len(pairs):
            row[name], _, row[f"{name}_ci95"] = over_runs(pairs)
            row[f"n_{name}"] = len(pairs)
        if name == "difference" and len(pairs):
            row["above_zero"] = bool(row["difference"] - row["difference_ci95"] > 0)
            row |= {"p": p_value(pairs), "p_holm": np.nan}  # in its place, filled by the family
    return row


def p_value(differences: Values) -> float:
    """Two-sided p of Student's t test that the mean of differences [n] is zero; nan for n = 1.

    Differences that are all alike give 0, all zero 1.
    """
    mean, spread, _ = over_runs(differences)
    if len(differences) < 2:
        return float("nan")
    if spread == 0:
        return float(mean == 0)
    return 2 * float(stdtr(len(differences) - 1, -abs(mean) / spread * len(differences) ** 0.5))


def holm(p: Values) -> Values:
    """p values [n] adjusted by Holm (https://www.jstor.org/stable/4615733) for one another.

    Of those that are at most a level, all are true with at most its probability; nan stays, and
    counts for none.
    """
    order = np.argsort(p)  # nan last
    known = int(np.isfinite(p).sum())
    raised = p[order[:known]] * np.arange(known, 0, -1)
    adjusted = np.full(len(p), np.nan)
    adjusted[order[:known]] = np.minimum(np.maximum.accumulate(raised), 1)
    return adjusted
