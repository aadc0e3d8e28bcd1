"""Two runs on the same images: whether what one does better is more than chance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import binomtest

from fewshot import seeding

_DRAWS = 10_000
_CELLS = 1 << 22  # numbers drawn at a time


@dataclass(frozen=True)
class Paired:
    """What two runs predict for the images of both: ids, classes, first predictions [N]."""

    ids: npt.NDArray[np.object_]
    labels: npt.NDArray[np.object_]
    first: npt.NDArray[np.object_]
    second: npt.NDArray[np.object_]

    @property
    def right(self) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """bool [N] of either run."""
        return self.first == self.labels, self.second == self.labels


def pair(first: pd.DataFrame | None, second: pd.DataFrame | None) -> Paired:
    """Of two predictions.csv, the images with a label that both have, in the first one's order; no
    image where a run has no predictions.
    """
    columns = ["id", "label", "class_1"]
    if any(table is None or not set(columns) <= set(table.columns) for table in (first, second)):
        nothing = np.zeros(0, dtype=object)
        return Paired(nothing, nothing, nothing, nothing)
    assert first is not None
    assert second is not None
    both = first[columns].merge(second[columns], on="id", suffixes=("", "_of_second"))
    # what the two call otherwise is no common test row
    both = both[both["label"].notna() & (both["label"] == both["label_of_second"])]
    names = ("id", "label", "class_1", "class_1_of_second")
    return Paired(*(both[name].to_numpy(dtype=object) for name in names))


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p of McNemar's test: of images that one run alone has right, whether as
    many are the first one's as the second one's; 1 where there are none.
    """
    disputed = only_first + only_second
    return 1.0 if disputed == 0 else float(binomtest(only_first, disputed, 0.5).pvalue)


def bootstrap_interval(
    differences: npt.NDArray[np.float64],
    groups: npt.NDArray[Any] | None = None,
    draws: int = _DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % percentile interval of a mean of differences [N], images drawn with replacement.

    groups: the mean is over the means of these, and images are drawn within each. Both runs'
    outcomes of an image are drawn together, as their difference.
    """
    members = [np.arange(len(differences))]
    if groups is not None:
        _, index = np.unique(groups.astype(str), return_inverse=True)
        members = [np.flatnonzero(index == number) for number in range(index.max() + 1)]
    generator = seeding.generator("paired bootstrap", seed)
    total = np.zeros(draws)
    for rows in members:
        total += _means(differences[rows], draws, generator)
    low, high = np.quantile(total / len(members), [0.025, 0.975])
    return float(low), float(high)


def _means(
    values: npt.NDArray[np.float64], draws: int, generator: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Means of so many samples of the values: how often each different value is drawn is
    multinomial, so that ten thousand images cost no more than their three outcomes.
    """
    different, counts = np.unique(values, return_counts=True)
    if len(different) <= 64:
        drawn = generator.multinomial(len(values), counts / len(values), size=draws)
        return np.asarray(drawn @ different / len(values), dtype=np.float64)
    step = max(1, _CELLS // len(values))
    parts = [
        values[generator.integers(0, len(values), (min(step, draws - i), len(values)))].mean(1)
        for i in range(0, draws, step)
    ]
    return np.concatenate(parts)


def significance(found: Paired) -> pd.DataFrame:
    """figure, of_first, of_second, difference (second less first), low, high, p, n: top-1 and its
    mean over classes on the common images; p is McNemar's and belongs to top-1 alone.
    """
    first, second = (side.astype(float) for side in found.right)
    apart = second - first
    only = int((apart < 0).sum()), int((apart > 0).sum())
    by_class = pd.DataFrame({"class": found.labels, "first": first, "second": second})
    means = by_class.groupby("class")[["first", "second"]].mean().mean()
    low, high = bootstrap_interval(apart)
    low_of_classes, high_of_classes = bootstrap_interval(apart, found.labels)
    rows = [
        ("top1", first.mean(), second.mean(), low, high, mcnemar(*only)),
        ("mean_class_top1", means["first"], means["second"], low_of_classes, high_of_classes, None),
    ]
    table = pd.DataFrame(rows, columns=["figure", "of_first", "of_second", "low", "high", "p"])
    table.insert(3, "difference", table["of_second"] - table["of_first"])
    table["n"] = len(found.ids)
    return table
