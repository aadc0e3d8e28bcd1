"""What a finished run writes: results.json and tables first, pictures only when they are safe."""

import logging
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.interfaces import Evaluation
from fewshot.progress import ProgressBar

logger = logging.getLogger("fewshot")

_FIGURES = (".csv", ".json", ".txt")  # files that hold figures; all others show them


def results(
    name: str,
    origin: Mapping[str, Any],
    seed: int,
    training: Mapping[str, Any],
    metrics: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The contents of results.json; accuracies are fractions in [0, 1].

    training: what is to be said of how the model was trained and chosen.
    """
    return {
        "name": name,
        "config": origin.get("config_files", []),
        "seed": seed,
        "status": "completed",
        **training,
        **metrics,
    }


def merge_metrics(evaluations: Sequence[Evaluation]) -> dict[str, dict[str, Any]]:
    """The figures of several evaluators, by split; a figure named twice is refused."""
    merged: dict[str, dict[str, Any]] = {}
    for evaluation in evaluations:
        for split, figures in evaluation.metrics.items():
            known = merged.setdefault(split, {})
            twice = sorted(known.keys() & figures.keys() - {"n"})
            if twice:
                raise UserError(
                    f"two evaluators both report {split}/{twice[0]}: bind a prefix on one of them."
                )
            known.update(figures)
    return merged


def write_figures(
    folder: ExperimentFolder, contents: Mapping[str, Any], evaluations: Sequence[Evaluation]
) -> set[str]:
    """Write the evaluators' tables, then results.json, each whole; the names of the tables."""
    written = set()
    for evaluation in evaluations:
        for name, writer in evaluation.artifacts.items():
            if Path(name).suffix in _FIGURES:
                folder.write_with(name, writer)
                written.add(name)
    folder.write_json(folder.results.name, contents)
    return written


def write_pictures(
    folder: ExperimentFolder, evaluations: Sequence[Evaluation], written: Set[str] = frozenset()
) -> None:
    """Write the evaluators' pictures and pages; one that cannot be made is a warning.

    written: names of the tables that are there already; others come first, and are no mere picture.
    """
    left = [
        (name, writer)
        for evaluation in evaluations
        for name, writer in evaluation.artifacts.items()
        if name not in written
    ]
    for name, writer in left:
        if Path(name).suffix in _FIGURES:
            folder.write_with(name, writer)
    pictures = [(name, writer) for name, writer in left if Path(name).suffix not in _FIGURES]
    with ProgressBar("pictures", len(pictures), "files") as bar:
        for name, writer in pictures:
            bar.note(name)
            try:
                folder.write_with(name, writer)
            except Exception as error:  # of any kind: the figures are safe
                reason = " ".join(str(error).split()) or type(error).__name__
                logger.warning("%s could not be made: %s", name, reason)
            bar.update()
