"""What labels are worth: paired differences, and how many labels one way saves another."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from fewshot import seeding
from fewshot.evaluation.intervals import over_runs

Values = NDArray[np.float64]

TRAINED = "fine-tuning"  # of scratch: training it all
_RESAMPLED = 2000


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
    `above_zero`: whether the whole interval of the first is.
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
    return pd.DataFrame(rows)


def _differences(own: "pd.Series[Any]", base: pd.DataFrame, budget: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, other in (("difference", budget), ("difference_to_all", base.columns[-1])):
        if other not in base:
            continue
        pairs = (own - base[other]).dropna().to_numpy(float)
        if len(pairs):
            row[name], _, row[f"{name}_ci95"] = over_runs(pairs)
            row[f"n_{name}"] = len(pairs)
    if "difference" in row:
        row["above_zero"] = bool(row["difference"] - row["difference_ci95"] > 0)
    return row


def in_words(table: pd.DataFrame, budget: str, scratch: str) -> list[str]:
    """Each paired difference of a budget as a line, in percentage points, the largest first."""
    if "difference" not in table:
        return []
    some = table[(table["budget"] == budget) & table["difference"].notna()]
    some = some.sort_values("difference", ascending=False, kind="stable")
    lines = []
    for row in some.to_dict("records"):
        half = 100 * row["difference_ci95"]
        spread = f" ± {half:.1f}" if np.isfinite(half) else ""
        who = "untrained encoder" if row["method"] == scratch else row["method"]
        lines.append(
            f"{who} ({row['way']}) - {scratch} at {budget} a class: "
            f"{100 * row['difference']:+.1f}{spread}, n = {row['n_difference']:.0f}"
        )
    return lines


def worth(found: pd.DataFrame, figure: str, scratch: str) -> pd.DataFrame:
    """A row a method, way and budget: as many labels a class from scratch do as much.

    same_as: read off the curve from scratch, smoothed to rise and interpolated over the logarithm
    of labels: inf where its most labels do less, its fewest labels where even those do as much;
    low, high: 95 % of resampled sets of n seeds lie between them; most: its most labels.
    """
    of = curves(found, figure)
    base = of.get((scratch, TRAINED))
    if base is None:
        return pd.DataFrame()
    labels = found.groupby("budget")["labels"].mean()
    rows = []
    for (method, way), curve in of.items():
        for budget in curve.columns if method != scratch else ():
            whole = pd.concat([curve[budget].rename("own"), base], axis=1).dropna()
            if len(whole) == 0:
                continue
            known = labels[base.columns].to_numpy(float)
            own, scores = whole["own"].to_numpy(float), whole[base.columns].to_numpy(float)
            same, low, high = same_as(own, scores, known)
            rows.append(
                {"method": method, "way": way, "budget": budget, "labels": labels[budget]}
                | {"own": own.mean(), "same_as": same, "low": low, "high": high}
                | {"most": known[-1], "n": len(own)}
            )
    return pd.DataFrame(rows)


def same_as(own: Values, scores: Values, labels: Values) -> tuple[float, float, float]:
    """How many labels reach own's mean on the curve of scores, and 95 % of resampled seeds.

    own [S]: a figure a seed; scores [S, B]: of the same seeds at each of labels [B], rising.
    """
    estimate = labels_reaching(float(own.mean()), scores.mean(0), labels)
    if len(own) < 2:
        return estimate, float("nan"), float("nan")
    draws = seeding.generator("resampled seeds", len(own)).integers(
        len(own), size=(_RESAMPLED, len(own))
    )
    resampled = [labels_reaching(float(own[d].mean()), scores[d].mean(0), labels) for d in draws]
    # quantiles that are values themselves, as some may be infinite
    low, high = np.quantile(resampled, [0.025, 0.975], method="inverted_cdf")
    return estimate, float(low), float(high)


def labels_reaching(value: float, scores: Values, labels: Values) -> float:
    """The fewest labels whose score, on the rising curve through scores [B], reaches the value."""
    rising = isotonic_regression(scores).x
    place = int(np.searchsorted(rising, value))
    if place == 0:
        return float(labels[0])
    if place == len(rising):
        return float("inf")
    share = (value - rising[place - 1]) / (rising[place] - rising[place - 1])
    steps = np.log(labels)
    return float(np.exp(steps[place - 1] + share * (steps[place] - steps[place - 1])))


def sentences(worths: pd.DataFrame, budget: str) -> Iterator[str]:
    """What the labels of a budget are worth, the best method and way first."""
    if worths.empty:
        return
    some = worths[worths["budget"] == budget].sort_values("own", ascending=False, kind="stable")
    for row in some.to_dict("records"):
        low, high, same = (_count(row[name], row["most"]) for name in ("low", "high", "same_as"))
        interval_text = f"95 % interval {low} to {high}, "
        yield (
            f"With {row['method']} and {row['way']}, {_count(row['labels'], row['most'])} labels "
            f"a class do what {same} do from scratch "
            f"({interval_text if row['n'] > 1 else ''}n = {row['n']})."
        )


def _count(labels: float, most: float) -> str:
    if np.isinf(labels):
        return f"more than {most:,.0f}"
    return f"{labels:,.0f}" if labels >= 10 else f"{labels:.2g}"
