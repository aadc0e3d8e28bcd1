"""Whether confidence is what it says: temperature scaling and the calibration error."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn import functional as F

_RANGE = (math.log(1e-4), math.log(1e4))  # of the temperature: scores may be votes or distances
BINS = 15


def fitted_temperature(scores: Tensor, truth: Tensor, shares: bool = False) -> float | None:
    """The temperature that minimises the cross-entropy of `probabilities` (heads/probabilities.py).

    scores [N, C], truth int64 [N]; shares: scores are shares of votes. One number cannot change
    which class is best (https://arxiv.org/abs/1706.04599). None where the rows tell no temperature:
    with no mistake among those whose own class can be an answer, the lower the better for ever.
    """
    exact = scores.double()
    if shares:
        exact = exact.clamp_min(0).log()
    possible = exact.gather(1, truth.unsqueeze(1)).squeeze(1).isfinite()
    exact, labels = exact[possible], truth[possible]
    own = exact.gather(1, labels.unsqueeze(1)).squeeze(1)
    if bool((own >= exact.amax(1)).all()):
        return None

    def loss(logarithm: float) -> float:  # convex in 1 / temperature, so with one minimum
        return float(F.cross_entropy(exact / math.exp(logarithm), labels))

    found = minimize_scalar(loss, bounds=_RANGE, method="bounded", options={"xatol": 1e-6})
    return math.exp(found.x)


def uncalibrated_note(rows: int, threshold: float | None) -> str:
    """What it means that no mistake on validation told the temperature, and what to do."""
    without = ""
    if threshold is None:
        without = (
            ' No threshold for "unknown" is stored: the model answers everything, things that it '
            "was never trained on among them, however sure it looks."
        )
    return (
        f"Confidence is not calibrated and stays at temperature 1: none of the {rows:,} validation "
        f"rows is a mistake that tells how sure is too sure.{without} For more validation rows "
        "raise main.validation_fraction or bind a validation CSV, with types that are not trained "
        "in it if there are any; without these bind SelectiveClassification.false_accept_rate, "
        "e.g. 0.1."
    )


@dataclass(frozen=True)
class Reliability:
    """Rows by confidence, in equal bins of [0, 1]: how many, their mean confidence, how many of
    them are right as a fraction (nan in empty bins), each [BINS].
    """

    rows: NDArray[np.int64]
    confidence: NDArray[np.float64]
    right: NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error: |confidence - right|, averaged over the rows."""
        filled = self.rows > 0
        gaps = np.abs(self.confidence[filled] - self.right[filled])
        return float((gaps * self.rows[filled]).sum() / self.rows.sum())


def reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Reliability:
    """Of at least one row: confidence float64 [N] in [0, 1], right bool [N]."""
    places = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    rows = np.bincount(places, minlength=BINS)
    means = [
        np.divide(
            np.bincount(places, weights=values, minlength=BINS),
            rows,
            out=np.full(BINS, np.nan),
            where=rows > 0,
        )
        for values in (confidence, right.astype(np.float64))
    ]
    return Reliability(rows, *means)
