"""What a threshold on confidence leaves unanswered, and which threshold keeps a promise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Confidences = NDArray[np.float64]


@dataclass(frozen=True)
class RiskCoverage:
    """For every confidence that occurs, highest first, as the threshold [T]: the share of rows that
    is answered, and the share of those that is wrong.
    """

    threshold: Confidences
    coverage: Confidences
    risk: Confidences
    rows: NDArray[np.int64]

    @property
    def area(self) -> float:
        """The risk, averaged over the rows as the last one answered; lower is better."""
        return float((self.risk * self.rows).sum() / self.rows.sum())


def risk_coverage(confidence: Confidences, right: NDArray[np.bool_]) -> RiskCoverage:
    """Of at least one row: confidence [N], right bool [N]; https://arxiv.org/abs/1705.08500."""
    values, places = np.unique(-confidence, return_inverse=True)
    rows = np.bincount(places, minlength=len(values))
    wrong = np.bincount(places, weights=~right, minlength=len(values)).cumsum()
    answered = rows.cumsum()
    return RiskCoverage(-values, answered / len(confidence), wrong / answered, rows)


@dataclass(frozen=True)
class Promise:
    """What a threshold is to keep: of what is answered, at least the share `precision` is right; of
    images of unknown classes, at most the share `false_accepts` is answered. None: not asked for.
    """

    precision: float | None
    false_accepts: float | None

    def __str__(self) -> str:
        asked = {
            "{:.3g} of what is answered is right": self.precision,
            "at most {:.3g} of the images of unknown classes are answered": self.false_accepts,
        }
        return " and ".join(text.format(v) for text, v in asked.items() if v is not None)


def threshold_for(
    promise: Promise,
    confidence: Confidences,
    right: NDArray[np.bool_],
    unknown: Confidences,
) -> float | None:
    """The lowest threshold that keeps the promise on these rows; None where none does.

    confidence [N], right bool [N]: of the rows; unknown [M]: of images of unknown classes. It lies
    half way between two confidences that occur, and is 0 where everything may be answered. A
    precision is believed from as many answers as it takes for one to be wrong.
    """
    candidates = np.unique(np.concatenate([confidence, unknown]))
    answered = _at_least(candidates, confidence)
    hits = _at_least(candidates, confidence[right])
    kept = np.ones(len(candidates), dtype=bool)
    if promise.precision is not None:
        enough = 1 / (1 - promise.precision)
        kept &= (hits >= promise.precision * answered - 1e-9) & (answered >= enough - 1e-9)
    if promise.false_accepts is not None:
        allowed = np.floor(promise.false_accepts * len(unknown) + 1e-9)
        kept &= _at_least(candidates, unknown) <= allowed
    if not kept.any():
        return None
    first = int(kept.argmax())
    return 0.0 if first == 0 else float(candidates[first - 1 : first + 1].mean())


def _at_least(candidates: Confidences, values: Confidences) -> NDArray[np.int64]:
    """How many values reach each candidate."""
    return len(values) - np.searchsorted(np.sort(values), candidates, side="left")
