"""Figures that come from sampling."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sampled(values: NDArray[np.float64]) -> dict[str, Any]:
    """mean, ci95 (half width of the 95 % confidence interval, normal approximation) and n.

    values: float64 [n], independent samples; the interval of a single one is nan.
    """
    spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return {
        "mean": float(values.mean()),
        "ci95": 1.96 * spread / len(values) ** 0.5,
        "n": len(values),
    }
