"""A report's sections and their order, the same for Markdown and for HTML."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot.reports.contents import RunFiles
from fewshot.reports.findings import all_figures, confident_mistakes, facts, worst_confusions
from fewshot.reports.tables import (
    UNSEEN_NOTE,
    has_unseen,
    mark_unseen,
    per_class_totals,
)

_CAPTIONS = {
    "curves": "Learning curves",
    "confusion_matrix": "Confusion matrix",
    "embedding": "Map of the embedding",
    "reconstructions": "Reconstructions",
    "mistakes": "Most confident mistakes",
}
_MAP_PAGE = "embedding.html"


@dataclass(frozen=True)
class Table:
    """A table; fractions are drawn as bars on request, totals stay below whatever the sorting."""

    frame: pd.DataFrame
    note: str = ""
    bars: bool = False
    totals: pd.DataFrame | None = None


@dataclass(frozen=True)
class Picture:
    """A PNG beside the report."""

    name: str
    caption: str


@dataclass(frozen=True)
class Link:
    """A page beside the report."""

    target: str
    text: str


@dataclass(frozen=True)
class Listing:
    """Text shown as it is."""

    text: str


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it; folded ones open on a click."""

    heading: str
    blocks: list[Table | Picture | Link | Listing] = field(default_factory=list)
    folded: bool = False


def sections(run: RunFiles) -> list[Section]:
    """Every section that the folder has something for, the most telling first."""
    found = [
        _picture(run, "curves"),
        *(Section(_words(name), [_tabled(table)]) for name, table in run.tables),
        *(Section(_words(name), [_per_class(table)]) for name, table in run.per_class),
        _picture(run, "confusion_matrix"),
        Section("Worst confusions", _table(worst_confusions(run.predictions))),
        _mistakes(run),
        _map(run),
        *(_picture(run, Path(name).stem) for name in run.pictures if _is_other(name)),
        Section("All figures", _table(all_figures(run.results))),
        Section("Run and machine", _table(facts(run.results, run.environment))),
        Section("Configuration", _listing(run.config), folded=True),
        Section("Operative configuration", _listing(run.operative), folded=True),
    ]
    return [section for section in found if section.blocks]


def _picture(run: RunFiles, stem: str) -> Section:
    caption = _CAPTIONS.get(stem, _words(stem))
    name = f"{stem}.png"
    return Section(caption, [Picture(name, caption)] if name in run.pictures else [])


def _mistakes(run: RunFiles) -> Section:
    picture = _picture(run, "mistakes")
    table = _table(confident_mistakes(run.predictions))
    return Section(picture.heading, [*picture.blocks, *table])


def _map(run: RunFiles) -> Section:
    picture = _picture(run, "embedding")
    if not (run.folder / _MAP_PAGE).is_file():
        return picture
    link = Link(_MAP_PAGE, "Explore the map: zoom, hover over the images, choose classes")
    return Section(picture.heading, [link, *picture.blocks])


def _is_other(name: str) -> bool:
    return Path(name).stem not in _CAPTIONS or name == "reconstructions.png"


def _table(frame: pd.DataFrame) -> list[Table | Picture | Link | Listing]:
    return [Table(frame)] if len(frame) else []


def _listing(text: str) -> list[Table | Picture | Link | Listing]:
    return [Listing(text.strip())] if text.strip() else []


def _per_class(frame: pd.DataFrame) -> Table:
    """A per-class table; one with several rows a class gets a row a class, a column a variant."""
    if frame["class"].duplicated().any() and "top1" in frame:
        return Table(_variants(frame), bars=True)
    totals = per_class_totals(frame) if "n" in frame else None
    return Table(mark_unseen(frame), UNSEEN_NOTE if has_unseen(frame) else "", True, totals)


def _variants(frame: pd.DataFrame) -> pd.DataFrame:
    """top1 by class and by what else tells rows apart, such as head, n_way and n_shot."""
    keys = [str(name) for name in frame if name not in ("class", "n", "n_train", "top1", "top5")]
    variant = [_variant(row, keys) for row in frame.to_dict("records")]
    wide = frame.assign(variant=variant).pivot_table(
        index="class", columns="variant", values="top1", sort=False
    )
    wide.columns.name = None
    return wide.reset_index()


def _variant(row: Mapping[Hashable, Any], keys: Sequence[str]) -> str:
    """The row's other columns in words: `KNN(k=1), 5-way, 1-shot`."""
    words = []
    for key in keys:
        unit = key.removeprefix("n_")
        number = isinstance(row[key], int | float)
        words.append(f"{row[key]}-{unit}" if number and unit != key else str(row[key]))
    return ", ".join(words)


def _tabled(frame: pd.DataFrame) -> Table:
    """A table whose mean, ci95 and n are shown as one sampled figure."""
    if not {"mean", "ci95"} <= set(frame.columns):
        return Table(frame)
    parts = [name for name in ("mean", "ci95", "n") if name in frame]
    merged = frame.drop(columns=parts)
    figures = frame[parts].astype(object).to_dict("records")
    merged["mean ± ci95"] = pd.Series(figures, frame.index, dtype=object)
    return Table(merged)


def _words(name: str) -> str:
    text = name.replace("_", " ").replace("-", " ")
    return text[:1].upper() + text[1:]
