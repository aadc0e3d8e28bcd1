"""From classified rows to an Evaluation: figures under their names, files, the console table."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot.evaluation.classification_metrics import Classified
from fewshot.interfaces import Evaluation


def reported_split(splits: Mapping[str, Any]) -> str | None:
    """Whose tables and pictures are kept: the test split's, else the validation split's."""
    return next((name for name in ("test", "validation") if name in splits), None)


def prefixed(figures: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Each figure's name with the prefix, but for n, which every evaluator shares."""
    return {name if name == "n" else prefix + name: value for name, value in figures.items()}


def csv_writer(table: pd.DataFrame) -> Callable[[Path], None]:
    """A function that writes the table as CSV."""
    return lambda path: table.to_csv(path, index=False)


def classification_artifacts(found: Classified, prefix: str) -> dict[str, Callable[[Path], None]]:
    """per_class.csv, predictions.csv and confusion_matrix.png, their names prefixed."""
    return {
        f"{prefix}per_class.csv": lambda path: found.per_class().to_csv(path, index=False),
        f"{prefix}predictions.csv": lambda path: found.predictions().to_csv(path, index=False),
        f"{prefix}confusion_matrix.png": _confusion_writer(found),
    }


def _confusion_writer(found: Classified) -> Callable[[Path], None]:
    def draw(path: Path) -> None:
        from fewshot.reports.plots import confusion_matrix  # matplotlib is slow to import

        confusion_matrix(found.confusion(), found.classes, path)

    return draw


def classification_report(
    results: Mapping[str, Classified],
    prefix: str = "",
    title: str = "Per class",
    every_confusion: bool = False,
) -> Evaluation:
    """The Evaluation of one classifier on several splits; files are of the reported split.

    every_confusion: also the other splits' confusion matrices, as <split>_confusion_matrix.png.
    """
    metrics = {split: prefixed(found.metrics(), prefix) for split, found in results.items()}
    split = reported_split(results)
    if split is None:
        return Evaluation(metrics)
    found = results[split]
    others = {
        f"{prefix}{name}_confusion_matrix.png": _confusion_writer(other)
        for name, other in results.items()
        if every_confusion and name != split
    }
    return Evaluation(
        metrics,
        classification_artifacts(found, prefix) | others,
        {f"{title}, {split} split": found.per_class()},
    )
