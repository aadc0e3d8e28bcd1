"""What an experiment folder holds, read for its report; missing optional files are left out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot.errors import UserError
from fewshot.reports.tables import format_seconds, is_sampled

_HEADLINES = ("top1", "top5", "mean_class_top1", "ceiling", "n")
_SPLITS = ("validation", "test")
_CAPTIONS = {
    "curves.png": "Learning curves",
    "confusion_matrix.png": "Confusion matrix",
    "embedding.png": "Map of the embedding",
    "reconstructions.png": "Reconstructions",
    "mistakes.png": "Most confident mistakes",
}
_SHOWN_CONFUSIONS = 10
_FACTS = ("seed", "selected_by", "best_epoch", "epochs", "train_seconds")


@dataclass(frozen=True)
class RunFiles:
    """One experiment folder as its report shows it.

    history: the rows of metrics.jsonl; pictures: (file name, caption); tables: (heading, table).
    """

    folder: Path
    results: Mapping[str, Any]
    history: list[dict[str, Any]]
    environment: Mapping[str, Any]
    config: str
    pictures: list[tuple[str, str]]
    tables: list[tuple[str, pd.DataFrame]]
    predictions: pd.DataFrame | None

    @property
    def title(self) -> str:
        """The experiment's name."""
        return str(self.results.get("name", self.folder.name))

    @property
    def summary(self) -> str:
        """How the run went, in one sentence."""
        epochs = self.results.get("epochs", 0)
        if not epochs:
            return "An evaluation: nothing was trained."
        took = format_seconds(float(self.results.get("train_seconds", 0)))
        return (
            f"Trained for {epochs} epochs in {took}; the model is that of epoch "
            f"{self.results.get('best_epoch', epochs)}, chosen by {self.results['selected_by']}."
        )

    def figures(self) -> pd.DataFrame:
        """Every figure of every split: a row a figure, a column a split; nested ones as a/b."""
        columns = {
            name: dict(_flat(value))
            for name, value in self.results.items()
            if isinstance(value, dict)
        }
        names = list(dict.fromkeys(key for column in columns.values() for key in column))
        names.sort(key=lambda key: _HEADLINES.index(key) if key in _HEADLINES else len(_HEADLINES))
        rows = [
            [name.replace("_", " "), *(column.get(name) for column in columns.values())]
            for name in names
        ]
        return pd.DataFrame(rows, columns=["figure", *columns], dtype=object)

    def headlines(self) -> list[tuple[str, Any]]:
        """The first figures of the test split, or of the validation split without one."""
        split = next((name for name in reversed(_SPLITS) if name in self.results), None)
        figures = dict(_flat(self.results[split])) if split else {}
        chosen = [key for key in _HEADLINES if key in figures and key != "n"]
        chosen = chosen or [key for key in figures if key != "n"][:4]
        return [(f"{split} {key.replace('_', ' ')}", figures[key]) for key in chosen]

    def worst_confusions(self) -> pd.DataFrame:
        """The pairs (label, predicted instead) that most rows fall into."""
        if self.predictions is None or "class_1" not in self.predictions:
            return pd.DataFrame()
        wrong = self.predictions[self.predictions["label"] != self.predictions["class_1"]]
        pairs = (
            wrong.groupby(["label", "class_1"])
            .size()
            .sort_values(ascending=False, kind="stable")
        )
        found = pairs.head(_SHOWN_CONFUSIONS).reset_index(name="images")
        totals = self.predictions["label"].value_counts()
        found["share of class"] = found["images"] / found["label"].map(totals)
        return found.rename(columns={"class_1": "predicted"})

    def facts(self) -> pd.DataFrame:
        """Run and machine as (fact, value)."""
        rows = [
            (name.replace("_", " "), self.results[name]) for name in _FACTS if name in self.results
        ]
        rows += [
            (name.replace("/", " ").replace("_", " "), value)
            for name, value in _flat(self.environment)
        ]
        return pd.DataFrame(
            [(name, value) for name, value in rows], columns=["fact", "value"], dtype=object
        )


def read_run(folder: Path) -> RunFiles:
    """Read an experiment folder; raises UserError when it holds no readable results.json."""
    path = folder / "results.json"
    if not path.is_file():
        raise UserError(
            f"{folder} holds no results.json: it is no experiment folder, or its run has not "
            "finished. Go on with python experiment.py --resume, then make the report."
        )
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): run the experiment again.") from None
    predictions = folder / "predictions.csv"
    known = [name for name in _CAPTIONS if (folder / name).is_file()]
    others = sorted(p.name for p in folder.glob("*.png") if p.name not in _CAPTIONS)
    return RunFiles(
        folder=folder,
        results=results,
        history=_history(folder / "metrics.jsonl"),
        environment=_json(folder / "environment.json"),
        config=_text(folder / "config.gin"),
        pictures=[(name, _CAPTIONS.get(name, _words(name))) for name in [*known, *others]],
        tables=[
            (_words(path.name), pd.read_csv(path, keep_default_na=False, na_values=[""]))
            for path in sorted(folder.glob("*per_class.csv"))
        ],
        predictions=pd.read_csv(predictions, dtype={"id": str}) if predictions.is_file() else None,
    )


def _flat(figures: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """(outer/inner, figure) of nested figures; a sampled figure stays whole."""
    found: list[tuple[str, Any]] = []
    for key, value in figures.items():
        if isinstance(value, dict) and not is_sampled(value):
            found += _flat(value, f"{prefix}{key}/")
        else:
            found.append((prefix + key, value))
    return found


def _history(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _text(path).splitlines() if line.strip()]


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_text(path) or "{}")
    return found


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _words(name: str) -> str:
    text = Path(name).stem.replace("_", " ")
    return text[:1].upper() + text[1:]
