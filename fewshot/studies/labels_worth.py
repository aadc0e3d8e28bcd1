"""How many labels one way saves another: read off the curve from scratch, with an interval."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression
from scipy.special import stdtrit

from fewshot.evaluation.intervals import Values
from fewshot.studies.paired_differences import TRAINED, curves

FAR = 5  # budgets of a larger ratio say little of what lies between


def worth(found: pd.DataFrame, figure: str, scratch: str) -> pd.DataFrame:
    """A row a method, way and budget: as many labels a class from scratch do as much.

    same_as: read off the curve from scratch, made to rise and interpolated over the logarithm of
    labels; low, high: its 95 % interval, see `same_as`. Each of the three is 0 where it is below
    the fewest labels that scratch had, inf where it is above the most. measured_below and
    measured_above: the budgets of scratch that same_as lies between; coarse: whether it is a rough
    guess, since these are far apart or its interval holds several; own: the row's mean figure; n:
    seeds that have it and all of scratch.
    """
    of = curves(found, figure)
    base = of.get((scratch, TRAINED))
    if base is None:
        return pd.DataFrame()
    labels = found.groupby("budget")["labels"].mean()
    known = labels[base.columns].to_numpy(float)
    rows = []
    for (method, way), curve in of.items():
        for budget in curve.columns if method != scratch else ():
            whole = pd.concat([curve[budget].rename("own"), base], axis=1).dropna()
            if len(whole) == 0:
                continue
            own, scores = whole["own"].to_numpy(float), whole[base.columns].to_numpy(float)
            same, low, high = same_as(own, scores, known)
            rows.append(
                {"method": method, "way": way, "budget": budget, "labels": labels[budget]}
                | {"own": own.mean(), "same_as": same, "low": low, "high": high}
                | {"fewest": known[0], "most": known[-1]}
                | _neighbourhood(same, low, high, known)
                | {"n": len(own)}
            )
    return pd.DataFrame(rows)


def same_as(own: Values, scores: Values, labels: Values) -> tuple[float, float, float]:
    """How many labels reach own's mean on the curve of scores, and the ends of its 95 % interval.

    own [S]: a figure a seed; scores [S, B]: of the same seeds at each of labels [B], rising. The
    interval holds the numbers of labels at which the paired t test over seeds, of scores
    interpolated seed by seed against own, finds no difference at the level of 5 %. Where the mean
    of scores dips it is not exactly that test: the means there are pooled to make them rise, their
    variances are not. That leaves it long rather than short: on a plateau, where means dip most, it
    holds what is true 96 to 99 times in 100. 0 and inf stand for fewer and more than any of labels;
    the ends of a single seed are nan.
    """
    estimate = labels_reaching(float(own.mean()), scores.mean(0), labels)
    if len(own) < 2:
        return estimate, float("nan"), float("nan")
    apart = scores - own[:, None]
    means = isotonic_regression(apart.mean(0)).x
    bound = float(stdtrit(len(own) - 1, 0.975)) ** 2 / len(own)
    # as the squared mean less what the test lets pass: negative where no difference is found
    at_labels = means**2 - bound * apart.var(0, ddof=1)
    ends = [estimate, *labels[at_labels <= 0], *_crossings(apart, means, bound, labels)]
    low = 0.0 if at_labels[0] < 0 else float(min(ends))
    high = float("inf") if at_labels[-1] < 0 else float(max(ends))
    return estimate, low, high


def _crossings(apart: Values, means: Values, bound: float, labels: Values) -> Values:
    """The labels between those of [B] at which the test's answer changes.

    apart [S, B]: scores less own. Between two budgets the mean difference is linear in the share of
    the way, its variance quadratic.
    """
    start = (apart - apart.mean(0))[:, :-1]
    step = np.diff(apart - apart.mean(0), axis=1)
    free = len(apart) - 1
    slope = np.diff(means)
    square = slope**2 - bound * (step**2).sum(0) / free
    linear = 2 * (means[:-1] * slope - bound * (start * step).sum(0) / free)
    constant = means[:-1] ** 2 - bound * (start**2).sum(0) / free
    # the form of the two roots that loses no digits; what is no root is nan or out of range
    with np.errstate(invalid="ignore", divide="ignore"):
        half = -(linear + np.copysign(np.sqrt(linear**2 - 4 * square * constant), linear)) / 2
        shares = np.stack([half / square, constant / half])
    logs = np.log(labels)
    places = np.exp(logs[:-1] + np.clip(shares, 0, 1) * np.diff(logs))
    return np.asarray(places[(shares >= 0) & (shares <= 1)])


def labels_reaching(value: float, scores: Values, labels: Values) -> float:
    """The fewest labels whose score, on the rising curve through scores [B], reaches the value.

    0 where even the fewest labels have more, inf where the most have less.
    """
    rising = isotonic_regression(scores).x
    place = int(np.searchsorted(rising, value))
    if place == len(rising):
        return float("inf")
    if place == 0:
        return float(labels[0]) if value == rising[0] else 0.0
    share = (value - rising[place - 1]) / (rising[place] - rising[place - 1])
    steps = np.log(labels)
    return float(np.exp(steps[place - 1] + share * (steps[place] - steps[place - 1])))


def _neighbourhood(same: float, low: float, high: float, labels: Values) -> dict[str, Any]:
    """Which of labels [B] an estimate lies between, and whether that is a rough guess."""
    place = int(np.searchsorted(labels, same))
    if not 0 < place < len(labels) or np.isclose(same, labels[place - 1 : place + 1]).any():
        return {"measured_below": np.nan, "measured_above": np.nan, "coarse": False}
    below, above = float(labels[place - 1]), float(labels[place])
    within = int(((labels > low) & (labels < high)).sum())
    coarse = above / below > FAR or within >= 2
    return {"measured_below": below, "measured_above": above, "coarse": coarse}


def told(row: Mapping[Any, Any]) -> str:
    """A row's same_as in words: two digits, and where it is a rough guess, between what."""
    text = told_bound(row["same_as"], row)
    if not row["coarse"]:
        return text
    below, above = count(row["measured_below"]), count(row["measured_above"])
    return f"about {text} (interpolated between {below} and {above})"


def told_interval(row: Mapping[Any, Any]) -> str:
    """A row's 95 % interval in words; empty for a single seed."""
    if np.isnan(row["low"]):
        return ""
    low, high = (told_bound(row[end], row) for end in ("low", "high"))
    beyond = row["low"] == row["high"] and row["low"] in (0, np.inf)
    return f"all of it {low}" if beyond else f"{low} to {high}"


def told_bound(labels: float, row: Mapping[Any, Any]) -> str:
    """One of a row's numbers of labels, of which two digits are told."""
    if labels == 0:
        return f"fewer than {count(row['fewest'])}"
    if labels == np.inf:
        return f"more than {count(row['most'])}"
    return count(float(f"{labels:.2g}"))


def count(labels: float) -> str:
    """A number of labels a class, whole from ten on."""
    return f"{labels:,.0f}" if labels >= 10 else f"{labels:.2g}"
