"""What the runs of a label-budget study found, a row each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.spreadsheet import read_csv
from fewshot.studies.figures import figure, read_results
from fewshot.studies.finished import Finished
from fewshot.studies.paired_differences import TRAINED
from fewshot.studies.plan import PlannedRun


def collected(found: Finished, name: str) -> pd.DataFrame:
    """A row a completed run, a probe giving one a head and budget.

    Columns: method, way, budget, seed, rows, smallest_class, labels (the mean a class), the figure
    `name` of the test split, folder. What cannot be read is left out, as `Finished.read` does.
    """

    def rows_of(run: PlannedRun, folder: ExperimentFolder) -> list[dict[str, Any]]:
        facts = {"method": run.columns["method"], "seed": run.columns["seed"], "folder": run.name}
        told = _trained if "budget" in run.columns else _probed
        return [facts | row for row in told(run, folder, name)]

    rows = [row for several in found.read(rows_of).values() for row in several]
    order = ["method", "way", "budget", "seed", "rows", "smallest_class", "labels", name, "folder"]
    return pd.DataFrame(rows, columns=order)


def _trained(run: PlannedRun, folder: ExperimentFolder, name: str) -> Iterator[dict[str, Any]]:
    path = folder.path / "per_class.csv"
    try:
        counts = read_csv(path, ("class",))["n_train"].dropna().to_numpy(float)
        counts = counts[counts > 0]
        facts: dict[str, Any] = {"rows": int(counts.sum()), "smallest_class": int(counts.min())}
    except (OSError, ValueError, KeyError) as error:
        raise UserError(_damaged(path, error)) from error
    facts |= {"labels": float(counts.mean()), name: figure(folder, f"test/{name}")}
    yield {"budget": run.columns["budget"], "way": TRAINED, **facts}


def _probed(run: PlannedRun, folder: ExperimentFolder, name: str) -> Iterator[dict[str, Any]]:
    results = read_results(folder)
    try:
        for budget in run.columns["budgets"]:
            told = results["test"]["label_budgets"][budget]
            facts = {key: told[key] for key in ("rows", "smallest_class", "labels")}
            for head, figures in told.items():
                if isinstance(figures, dict):
                    yield {"budget": budget, "way": head, **facts, name: float(figures[name])}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(_damaged(folder.results, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    what = str(error).partition("\n")[0]
    if isinstance(error, KeyError):
        what = f"it has no {error}"
    elif isinstance(error, OSError):
        what = error.strerror or what
    return (
        f"{path} does not hold what the study tells ({what}): remove the run's folder, and the "
        "same command runs it again."
    )
