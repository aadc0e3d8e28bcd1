"""Which labels are likely wrong: confident learning (https://arxiv.org/abs/1911.00068)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.batch import IntArray


def confident_classes(probabilities: NDArray[np.floating[Any]], labels: IntArray) -> IntArray:
    """int64 [N]: the class that each row confidently belongs to, -1 where there is none.

    probabilities [N, C] of rows that the model has not learned from, labels int64 [N]. A class is
    confident of a row whose probability of it is at least the mean of that probability over the
    rows labelled so; of several, the likeliest counts. A class without rows is confident of none.
    """
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=own, minlength=classes)
    thresholds = np.divide(sums, counts, out=np.full(classes, np.inf), where=counts > 0)
    # a row whose probability is the threshold itself, but for rounding, is above it
    above = np.where(probabilities >= thresholds - 1e-12, probabilities, -1.0)
    likeliest = above.argmax(1)
    confident = above[np.arange(len(labels)), likeliest] >= 0
    return np.where(confident, likeliest, -1).astype(np.int64)


def label_issues(probabilities: NDArray[np.floating[Any]], labels: IntArray) -> IntArray:
    """Rows that confidently belong to another class than their label's, the least likely label
    first.
    """
    confident = confident_classes(probabilities, labels)
    rows = np.flatnonzero((confident >= 0) & (confident != labels))
    return np.asarray(rows[np.argsort(probabilities[rows, labels[rows]], kind="stable")])
