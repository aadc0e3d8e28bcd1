"""How sure an accuracy of few images is."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

_Z = 1.959963984540054  # the normal distribution's 97.5 % point
INTERVAL = "95 % interval"
INTERVAL_NOTE = "The 95 % interval of top-1 is Wilson's, for n images of a class drawn at random."


def wilson(
    shares: npt.NDArray[np.float64], n: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Wilson's score interval (low, high) [N] at 95 % of shares in [0, 1] of n trials; nan where n
    is 0 (https://doi.org/10.1080/01621459.1927.10502953).
    """
    trials = np.where(n > 0, n, np.nan)
    weight = 1 + _Z**2 / trials
    middle = (shares + _Z**2 / (2 * trials)) / weight
    spread = shares * (1 - shares) / trials + (_Z / (2 * trials)) ** 2
    half = _Z * np.sqrt(spread) / weight
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def with_interval(frame: pd.DataFrame) -> pd.DataFrame:
    """The per-class table of a classifier with the interval of its top-1 beside it; other tables
    as they are: their n are no independent trials, or their top1 is no number, as in a damaged
    file. Classes that the model does not have get none: they are wrong for certain.
    """
    whole = {"class", "n", "n_train", "top1"} <= set(frame.columns)
    if not whole or not pd.api.types.is_numeric_dtype(frame["top1"]):
        return frame
    n = frame["n"].where(frame["n_train"].ne(0)).to_numpy(dtype=float, na_value=math.nan)
    low, high = wilson(frame["top1"].to_numpy(dtype=float), n)
    found = frame.copy()
    found.insert(list(frame.columns).index("top1") + 1, INTERVAL, _words(low, high))
    return found


def _words(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> list[Any]:
    return [
        None if math.isnan(a) else f"{a:.3f} to {b:.3f}"
        for a, b in zip(low.tolist(), high.tolist(), strict=True)
    ]
