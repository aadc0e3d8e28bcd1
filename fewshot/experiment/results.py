"""What a finished run writes: the evaluators' files, results.json, the report, the tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from fewshot.console import show
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.interfaces import Evaluation
from fewshot.reports.report import write_report
from fewshot.reports.tables import console, is_per_class, per_class_text
from fewshot.training.fit import Summary
from fewshot.training.tracking import MetricsLog


def results(
    name: str,
    origin: Mapping[str, Any],
    seed: int,
    summary: Summary,
    metrics: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """The contents of results.json; accuracies are fractions in [0, 1]."""
    return {
        "name": name,
        "config": origin.get("config_files", []),
        "seed": seed,
        "status": "completed",
        "selected_by": summary.selected_by,
        "best_epoch": summary.best_epoch,
        "epochs": summary.epochs,
        "train_seconds": round(summary.train_seconds, 2),
        **metrics,
    }


def write_artifacts(folder: ExperimentFolder, evaluations: Sequence[Evaluation]) -> None:
    """Every file the evaluators offer, each written whole."""
    for evaluation in evaluations:
        for name, writer in evaluation.artifacts.items():
            folder.write_with(name, writer)


def finish(
    folder: ExperimentFolder, contents: dict[str, Any], evaluations: Sequence[Evaluation]
) -> None:
    """Write artifacts first and results.json last but for the report, which is made from both."""
    write_artifacts(folder, evaluations)
    _log_final(folder, contents)
    folder.write_json(folder.results.name, contents)
    write_report(folder.path)
    for evaluation in evaluations:
        for heading, table in evaluation.tables.items():
            text = per_class_text(table) if is_per_class(table) else console(table)
            show(f"\n{heading}\n\n{text}")
    show(f"\neverything is in {folder.path}")


def _log_final(folder: ExperimentFolder, contents: dict[str, Any]) -> None:
    """The test figures as the one point they are in every curve, and the pictures."""
    if not contents["epochs"]:
        return
    log = MetricsLog(folder)
    last = log.rows()[-1]
    if "test" in contents:
        log.record("test", contents["best_epoch"], last["step"], last["seconds"], contents["test"])
    for picture in sorted(folder.path.glob("*.png")):
        log.add_image(picture.stem, picture, last["step"])
    log.close()
