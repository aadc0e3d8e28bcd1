"""The curves hidden in metrics.jsonl: one value an epoch for every split and figure."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ORDER = ("train", "validation", "test")
_ACCURACIES = ("top1", "accuracy")


@dataclass(frozen=True)
class Curve:
    """One figure of one split by epoch; rows that share an epoch (logged steps) are averaged."""

    split: str
    key: str
    label: str
    epochs: tuple[float, ...]
    values: tuple[float, ...]


def loss_curves(rows: Sequence[Mapping[str, Any]]) -> list[Curve]:
    """The loss of each split."""
    return _curves(rows, lambda key: key == "loss")


def accuracy_curves(rows: Sequence[Mapping[str, Any]]) -> list[Curve]:
    """The accuracies of each split: top1 or accuracy, also with a prefix such as knn_top1."""
    return _curves(rows, _is_accuracy)


def monitored_note(rows: Sequence[Mapping[str, Any]], results: Mapping[str, Any]) -> str:
    """Where the curves show another validation figure of the chosen epoch than the tables: both,
    and why; '' where they agree.
    """
    chosen, final = results.get("best_epoch"), results.get("validation")
    if not isinstance(final, Mapping):
        return ""
    told = []
    for curve in accuracy_curves([row for row in rows if row.get("split") == "validation"]):
        known = final.get(curve.key)
        drawn = next(
            (y for x, y in zip(curve.epochs, curve.values, strict=True) if x == chosen), None
        )
        if drawn is not None and _is_finite(known) and abs(drawn - float(known or 0)) > 5e-5:
            told.append(f"{curve.key} {drawn:.4f} in the curves and {known:.4f} in the tables")
    if not told:
        return ""
    return (
        f"Validation of epoch {chosen}: {'; '.join(told)}. While a model is trained, it is judged "
        "by what is bound in the scope validation/, such as a part of the gallery "
        "(max_references); the chosen one is judged by everything."
    )


def _is_accuracy(key: str) -> bool:
    return not key.endswith("mean_class_top1") and (
        key in _ACCURACIES or key.endswith(tuple(f"_{name}" for name in _ACCURACIES))
    )


def _curves(rows: Sequence[Mapping[str, Any]], wanted: Callable[[str], bool]) -> list[Curve]:
    found: dict[tuple[str, str], dict[float, list[float]]] = {}
    for row in rows:
        for key, value in row.items():
            epoch = row.get("epoch")
            if wanted(key) and _is_finite(value) and epoch is not None:
                series = found.setdefault((str(row.get("split", "train")), key), {})
                series.setdefault(float(epoch), []).append(float(value))
    keys = {key for _, key in found}
    named = len(keys) > 1 or not keys <= {"loss", *_ACCURACIES}
    ordered = sorted(found, key=lambda pair: (_rank(pair[0]), pair[0], pair[1]))
    return [_curve(split, key, found[split, key], named) for split, key in ordered]


def _curve(split: str, key: str, series: Mapping[float, Sequence[float]], named: bool) -> Curve:
    epochs = sorted(series)
    values = tuple(sum(series[epoch]) / len(series[epoch]) for epoch in epochs)
    return Curve(split, key, f"{split} {key}" if named else split, tuple(epochs), values)


def _rank(split: str) -> int:
    return _ORDER.index(split) if split in _ORDER else len(_ORDER)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
