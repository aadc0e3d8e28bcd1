"""What an experiment folder holds, read for its report; missing optional files are left out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot.errors import UserError
from fewshot.reports.kept_sections import read_sections, table
from fewshot.reports.tables import format_seconds
from fewshot.sections import Section


@dataclass(frozen=True)
class RunFiles:
    """One experiment folder as its report needs it.

    history: the rows of metrics.jsonl; pictures: file names of the PNGs; per_class, tables:
    (file's stem, table); predictions: None where there are none; said: the evaluators' sections,
    None in a folder from before they were kept.
    """

    folder: Path
    results: Mapping[str, Any]
    history: list[dict[str, Any]]
    environment: Mapping[str, Any]
    config: str
    operative: str
    pictures: list[str]
    per_class: list[tuple[str, pd.DataFrame]]
    tables: list[tuple[str, pd.DataFrame]]
    predictions: pd.DataFrame | None
    said: list[Section] | None

    @property
    def title(self) -> str:
        """The experiment's name."""
        return str(self.results.get("name", self.folder.name))

    @property
    def summary(self) -> str:
        """How the run went, in one sentence."""
        epochs = self.results.get("epochs") or 0
        if not epochs:
            return "An evaluation: nothing was trained."
        took = format_seconds(float(self.results.get("train_seconds") or 0))
        chosen = self.results.get("selected_by", "nothing")
        how = "the last one" if chosen == "last" else f"chosen by {chosen}"
        return (
            f"Trained for {epochs} {'epoch' if epochs == 1 else 'epochs'} in {took}; the model is "
            f"that of epoch {self.results.get('best_epoch') or epochs}, {how}."
        )


# of what reports read by name in results.json and environment.json: what a run writes there
_RESULTS = {
    **dict.fromkeys(("train_seconds", "best_value"), (int, float)),
    **dict.fromkeys(("epochs", "best_epoch", "seed"), (int,)),
    **dict.fromkeys(("name", "selected_by", "status"), (str,)),
}
_ENVIRONMENT = {"versions": (dict,), "git": (dict,), "resumed": (list,), "command": (list,)}


def read_run(folder: Path) -> RunFiles:
    """Read an experiment folder.

    Raises UserError when it holds no results.json, or when a JSON or CSV file in it is damaged.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise UserError(
            f"{folder} holds no results.json: it is no experiment folder, or its run has not "
            "finished. Go on with python experiment.py --resume, then make the report."
        )
    predictions = [folder / "predictions.csv", *sorted(folder.glob("*_predictions.csv"))]
    return RunFiles(
        folder=folder,
        results=_json(path, _RESULTS),
        history=_history(folder / "metrics.jsonl"),
        environment=_json(folder / "environment.json", _ENVIRONMENT),
        config=_text(folder / "config.gin"),
        operative=_text(folder / "operative.gin"),
        pictures=sorted(found.name for found in folder.glob("*.png") if found.name[0] != "."),
        per_class=_tables(folder, "*per_class.csv"),
        tables=_tables(folder / "tables", "*.csv"),
        predictions=next((table(found) for found in predictions if found.is_file()), None),
        said=read_sections(folder),
    )


def _tables(folder: Path, pattern: str) -> list[tuple[str, pd.DataFrame]]:
    found = sorted((path for path in folder.glob(pattern)), key=lambda p: (len(p.name), p.name))
    return [(path.stem, table(path)) for path in found if path.name[0] != "."]


def _history(path: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl but for a last one that a killed process left unfinished."""
    lines = [line for line in _text(path).splitlines() if line.strip()]
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number < len(lines):
                message = f"{path}, line {number}, is damaged ({error}): remove the line."
                raise UserError(message) from None
            continue
        rows.append(_checked_row(row, f"{path}, line {number},"))
    return rows


def _checked_row(row: Any, place: str) -> dict[str, Any]:
    """A row whose coordinates are what `MetricsLog` writes."""
    kinds: dict[str, tuple[type, ...]] = {
        **{"split": (str,), "epoch": (int,), "step": (int,), "seconds": (int, float)},
    }
    told = row if isinstance(row, dict) else {}
    for name, kind in kinds.items():
        if (name in told or name in ("split", "epoch")) and type(told.get(name)) not in kind:
            found = repr(told.get(name))[:80]
            raise UserError(f"{place} is damaged ({name} is {found}): remove the line.")
    return told


def _json(path: Path, kinds: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    try:
        found = json.loads(_text(path) or "{}")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): run the experiment again.") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no JSON object but {found!r:.80}: run the experiment again.")
    for name, kind in kinds.items():
        if found.get(name) is not None and type(found[name]) not in kind:
            shown = repr(found[name])[:80]
            raise UserError(f"{path} is damaged ({name} is {shown}): run the experiment again.")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else ""
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): run the experiment again.") from None
