"""The final figures of a run, as its results.json has them."""

import json
from typing import Any

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder


def is_completed(folder: ExperimentFolder) -> bool:
    """Whether the run in this folder has written its final figures."""
    return folder.results.is_file() and read_results(folder).get("status") == "completed"


def read_results(folder: ExperimentFolder) -> dict[str, Any]:
    """The contents of results.json; raises UserError where there is none that can be read."""
    try:
        found: dict[str, Any] = json.loads(folder.results.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it holds no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{folder.results} cannot be read ({error}): remove the folder and run it again."
        ) from error
    return found


def figure(folder: ExperimentFolder, name: str) -> float:
    """One final figure by its path in results.json, such as 'test/top1'; of a sampled one its mean.

    One that was no number, as a loss that diverged, is nan. Raises UserError, naming what there is,
    where the figure is not.
    """
    found: Any = read_results(folder)
    for part in name.split("/"):
        if not isinstance(found, dict) or part not in found:
            known = ", ".join(sorted(_names(read_results(folder))))
            raise UserError(f"{folder.results} has no figure '{name}'; it has: {known}.")
        found = found[part]
    if isinstance(found, dict) and "mean" in found:
        found = found["mean"]
    if found is None:  # as JSON has it
        return float("nan")
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise UserError(f"'{name}' in {folder.results} is no single figure: {found!r}.")
    return float(found)


def figures(folder: ExperimentFolder) -> dict[str, float]:
    """The accuracies and losses a finished run is told by, by their paths in results.json."""
    return {
        name: figure(folder, name)
        for name in sorted(_names(read_results(folder)))
        if name.count("/") == 1 and name.endswith(("top1", "loss"))
    }


def _names(figures: dict[str, Any], prefix: str = "") -> list[str]:
    """The paths of all single figures."""
    names = []
    for name, value in figures.items():
        if isinstance(value, dict) and "mean" not in value:
            names += _names(value, f"{prefix}{name}/")
        elif isinstance(value, int | float | dict) and not isinstance(value, bool):
            names.append(prefix + name)
    return names
