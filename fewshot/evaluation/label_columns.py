"""How well an objective that learned further label columns tells them, and what it says."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from fewshot.errors import UserError
from fewshot.evaluation.classification_metrics import Classified, classify
from fewshot.evaluation.inference import device_of, embed
from fewshot.evaluation.naming import prefixed, reported_split, titled
from fewshot.evaluation.ranking import ranked
from fewshot.evaluation.split_rows import SplitRows
from fewshot.interfaces import Dataset, Evaluation
from fewshot.sections import Section, Table
from fewshot.spreadsheet import write_csv


def classified_columns(objective: Any, dataset: Dataset) -> dict[str, Classified]:
    """{further label column: the rows classified by it}; {} where none is learned.

    Scores are those of the images as they are. A dataset that lacks a column is predicted only.
    """
    if not getattr(objective, "columns", None):
        return {}
    features = embed(objective, dataset)
    with torch.inference_mode():
        scores = objective.column_scores_of(features.to(device_of(objective)))
    return {
        name: classify(ranked(scores[name].float().cpu()), outputs, _rows(dataset, name), {})
        for name, outputs in objective.columns.items()
    }


def column_figures(columns: Mapping[str, Classified]) -> dict[str, dict[str, Any]]:
    """{column: n, top1, mean_class_top1} over rows where it is not blank; {} without such rows."""
    found = {}
    for name, column in columns.items():
        figures = column.metrics()
        if "top1" in figures:
            found[name] = {key: figures[key] for key in ("n", "top1", "mean_class_top1")}
    return found


def column_predictions(columns: Mapping[str, Classified]) -> pd.DataFrame:
    """<column>, <column>_predicted and <column>_score of each, a row an image."""
    table: dict[str, Any] = {}
    for name, column in columns.items():
        found = column.predictions()
        table[name] = found["label"]
        table[f"{name}_predicted"] = found["class_1"]
        table[f"{name}_score"] = found["score_1"]
    return pd.DataFrame(table)


def column_table(columns: Mapping[str, Classified]) -> pd.DataFrame:
    """column, classes, images, top1 and mean_class_top1: a row a column that has labels."""
    rows = [
        {"column": name, "classes": int(columns[name].trained.sum()), "images": figures.pop("n")}
        | figures
        for name, figures in column_figures(columns).items()
    ]
    return pd.DataFrame(rows)


def with_columns(
    report: Evaluation,
    results: Mapping[str, Classified],
    columns: Mapping[str, Mapping[str, Classified]],
    prefix: str,
) -> Evaluation:
    """The report of one classifier on several splits, with what its objective says of columns.

    Figures are under `columns`, predictions in the file that has the classifier's; the model keeps
    each column's classes.
    """
    split = reported_split(results)
    if split is None or not columns[split]:
        return report
    metrics = {
        name: {**figures, **prefixed({"columns": column_figures(columns[name])}, prefix)}
        for name, figures in report.metrics.items()
    }
    predictions = pd.concat(
        [results[split].predictions(), column_predictions(columns[split])], axis=1
    )
    artifacts: dict[str, Callable[[Path], None]] = {
        **report.artifacts,
        f"{prefix}predictions.csv": partial(write_csv, predictions),
    }
    heading = f"{titled(prefix, 'Further columns')}, {split} split"
    figures = column_table(columns[split])
    table = Table(f"tables/{prefix}columns.csv", figures)
    sections = [Section(heading, [table], 21)] if len(figures) else []
    classes = {name: _outputs(found) for name, found in columns[split].items()}
    return dataclasses.replace(
        report,
        metrics=metrics,
        artifacts=artifacts,
        sections=[*report.sections, *sections],
        kept={**report.kept, "columns": classes},
    )


def _outputs(column: Classified) -> tuple[str, ...]:
    """The classes that the objective knows, in the order of its scores."""
    return tuple(name for name, known in zip(column.classes, column.trained, strict=True) if known)


def _rows(dataset: Dataset, name: str) -> SplitRows:
    try:
        said = [value or None for value in dataset.column(name)]
    except UserError:  # it has no such column
        said = [None] * len(dataset)
    names = np.empty(len(said), dtype=object)
    names[:] = said
    return SplitRows(np.arange(len(dataset)), dataset.ids, names)
