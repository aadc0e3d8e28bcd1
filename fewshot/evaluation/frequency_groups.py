"""Accuracy by how many training rows a class has: where a long tail is learned and where not."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.batch import IntArray

# (name, fewest rows), as in https://arxiv.org/abs/1904.05160
GROUPS = (("many", 101), ("medium", 20), ("few", 1))


def frequency_groups(
    classes: Sequence[str],
    n: IntArray,
    right: NDArray[Any],
    n_train: Mapping[str, int],
) -> dict[str, dict[str, Any]]:
    """{"many" (over 100 training rows), "medium" (20 to 100), "few" (below 20): figures}.

    n, right: tested rows and those classified rightly, a number a class. Figures: classes with
    rows, n, top1 over rows, mean_class_top1 over classes. Classes that were not trained are in no
    group; nothing is returned where fewer than two groups have rows, as they would tell no more
    than the whole.
    """
    trained = np.array([n_train.get(name, 0) for name in classes])
    found: dict[str, dict[str, Any]] = {}
    most = np.inf
    for name, fewest in GROUPS:
        inside = (trained >= fewest) & (trained < most) & (n > 0)
        most = fewest
        if inside.any():
            found[name] = {
                "classes": int(inside.sum()),
                "n": int(n[inside].sum()),
                "top1": float(right[inside].sum() / n[inside].sum()),
                "mean_class_top1": float((right[inside] / n[inside]).mean()),
            }
    return found if len(found) > 1 else {}
