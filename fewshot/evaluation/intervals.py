"""95 % intervals of means: of many samples, such as episodes, and of a few runs."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Values = NDArray[np.float64]

_NORMAL = 1.96  # standard errors


class Interval(NamedTuple):
    """A mean, the sample standard deviation sd, and ci95, the half width of the mean's interval."""

    mean: float
    sd: float
    ci95: float


def over_episodes(values: Values) -> dict[str, Any]:
    """mean, ci95 (by the normal distribution) and n, as results.json has them.

    values: [n], independent samples, so many that the normal distribution serves; the interval of a
    single one is nan.
    """
    mean, spread = _told(values)
    return {"mean": mean, "ci95": _NORMAL * spread / len(values) ** 0.5, "n": len(values)}


def over_runs(values: Values) -> Interval:
    """Mean, spread and interval by Student's t, which few samples, such as seeds, need.

    values: [n], independent; sd and ci95 of a single one are nan.
    """
    mean, spread = _told(values)
    if len(values) < 2:
        return Interval(mean, spread, float("nan"))
    quantile = float(stdtrit(len(values) - 1, 0.975))
    return Interval(mean, spread, quantile * spread / len(values) ** 0.5)


def _told(values: Values) -> tuple[float, float]:
    """Mean and sample standard deviation, which is nan for a single value."""
    spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return float(values.mean()), spread
