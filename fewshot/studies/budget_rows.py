"""What the runs of a label-budget study found, a row each."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.spreadsheet import read_csv
from fewshot.studies.paired_differences import TRAINED
from fewshot.studies.plan import PlannedRun
from fewshot.studies.runs import figure, is_completed, read_results


def collected(runs: Sequence[PlannedRun], place: Path, name: str) -> pd.DataFrame:
    """A row a completed run, a probe giving one a head and budget.

    Columns: method, way, budget, seed, rows, smallest_class, labels (the mean a class), the figure
    `name` of the test split, folder.
    """
    rows = []
    for run in runs:
        folder = ExperimentFolder(run.parent(place) / run.name)
        if not run.columns or not is_completed(folder):
            continue
        told = (
            _trained(run, folder, name) if "budget" in run.columns else _probed(run, folder, name)
        )
        facts = {"method": run.columns["method"], "seed": run.columns["seed"], "folder": run.name}
        rows += [facts | row for row in told]
    order = ["method", "way", "budget", "seed", "rows", "smallest_class", "labels", name, "folder"]
    return pd.DataFrame(rows, columns=order)


def _trained(run: PlannedRun, folder: ExperimentFolder, name: str) -> Iterator[dict[str, Any]]:
    counts = read_csv(folder.path / "per_class.csv", ("class",))["n_train"]
    counts = counts[counts > 0]
    facts: dict[str, Any] = {"rows": int(counts.sum()), "smallest_class": int(counts.min())}
    facts |= {"labels": counts.mean(), name: figure(folder, f"test/{name}")}
    yield {"budget": run.columns["budget"], "way": TRAINED, **facts}


def _probed(run: PlannedRun, folder: ExperimentFolder, name: str) -> Iterator[dict[str, Any]]:
    budgets: Mapping[str, Any] = read_results(folder).get("test", {}).get("label_budgets", {})
    for budget in run.columns["budgets"]:
        found = budgets[budget]
        facts = {key: found[key] for key in ("rows", "smallest_class", "labels")}
        for head, figures in found.items():
            if isinstance(figures, dict):
                yield {"budget": budget, "way": head, **facts, name: figures[name]}
