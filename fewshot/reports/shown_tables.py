"""How a table is shown: sampled figures as one, bars, totals, and no more rows than are read."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fewshot.reports.tables import (
    UNSEEN_NOTE,
    console,
    has_unseen,
    is_per_class,
    mark_unseen,
    per_class_totals,
    with_totals,
)
from fewshot.reports.wilson import INTERVAL, INTERVAL_NOTE, with_interval
from fewshot.sections import Images, Table
from fewshot.wording import visible

MOST_ROWS = 250  # of a table shown; its file has them all
_SAMPLED = ("mean", "ci95", "n")


@dataclass(frozen=True)
class Shown:
    """A table as it is shown: fractions drawn as bars, totals below whatever the sorting."""

    frame: pd.DataFrame
    note: str = ""
    bars: bool = False
    totals: pd.DataFrame | None = None


def shown(table: Table) -> Shown:
    """A table of a section; columns without any value are left out."""
    frame = table.frame.dropna(axis="columns", how="all") if len(table.frame) else table.frame
    notes = [table.note]
    totals = None
    bars = "class" in frame
    frame = _sampled_as_one(frame)
    if table.across:
        frame = _across(frame, [name for name in table.across if name in frame])
    elif is_per_class(frame):
        if _is_always_1(frame, "top5"):
            frame = frame.drop(columns="top5")
            notes.append("Top-5 is 1 for every class and is left out.")
        totals = with_interval(per_class_totals(frame))
        notes.append(UNSEEN_NOTE if has_unseen(frame) else "")
        frame = with_interval(mark_unseen(frame))
        notes.append(INTERVAL_NOTE if INTERVAL in frame else "")
    if len(frame) > MOST_ROWS:
        notes.append(f"The first {MOST_ROWS} of {len(frame):,} rows; {table.name} has them all.")
        frame = frame.head(MOST_ROWS)
    return Shown(frame, " ".join(note for note in notes if note), bars, totals)


def words_of_images(block: Images) -> Table:
    """The images as a table, a row for what stands together, for where none can be shown."""
    frame = block.frame
    lines = []
    for heading, images in frame.groupby("row", sort=False):
        # the image that a row is about is named by its heading
        others = [
            image
            for image in images.to_dict("records")
            if not str(heading).startswith(f"{image['id']}: ")
        ]
        verdicts = [image["verdict"] for image in others if image.get("verdict")]
        right = f"{verdicts.count('right')} of {len(verdicts)}" if verdicts else None
        lines.append({"image": heading, "beside it": _by_caption(others), "right": right})
    columns = ["image", "beside it", "right"]
    return Table(block.name, pd.DataFrame(lines, columns=columns, dtype=object), block.note)


def _by_caption(images: Sequence[Mapping[Hashable, Any]]) -> str | None:
    """`Bags: 7, 12; Hats: 3`; ids alone where captions say no more."""
    ids: dict[str, list[str]] = {}
    for image in images:
        ids.setdefault(str(image["caption"]), []).append(str(image["id"]))
    if all(names == [caption] for caption, names in ids.items()):
        return ", ".join(ids) or None
    return "; ".join(f"{caption}: {', '.join(names)}" for caption, names in ids.items())


def _is_always_1(frame: pd.DataFrame, name: str) -> bool:
    known = frame[name].dropna().tolist() if name in frame else []
    return bool(known) and all(value == 1.0 for value in known)


def table_text(table: Shown) -> str:
    """The table for the terminal, a rule above its totals and the note below."""
    rows = 0 if table.totals is None else len(table.totals)
    text = console(with_totals(table.frame, table.totals), rule_before_last=rows)
    return f"{text}\n{visible(table.note)}" if table.note else text


def _sampled_as_one(frame: pd.DataFrame) -> pd.DataFrame:
    """mean, ci95 and n as one figure."""
    if not {"mean", "ci95"} <= set(frame.columns):
        return frame
    parts = [name for name in _SAMPLED if name in frame]
    merged = frame.drop(columns=parts)
    figures = frame[parts].astype(object).to_dict("records")
    merged["mean ± ci95"] = pd.Series(figures, frame.index, dtype=object)
    return merged


def _across(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The last column's values by the first one's, a column for what `names` tell apart."""
    variants = [_variant(row, names) for row in frame.to_dict("records")]
    rest = [name for name in frame.columns if name not in names]
    rows, value = rest[0], rest[-1]
    columns = list(dict.fromkeys(variants))
    cells: dict[Any, dict[str, Any]] = {}
    for key, variant, cell in zip(frame[rows], variants, frame[value], strict=True):
        cells.setdefault(key, {})[variant] = cell
    found = {rows: list(cells)}
    found |= {name: [cells[key].get(name) for key in cells] for name in columns}
    return pd.DataFrame(found)


def _variant(row: Mapping[Hashable, Any], keys: Sequence[str]) -> str:
    """The row's columns in words: `KNN(k=1), 5-way, 1-shot`."""
    words = []
    for key in keys:
        unit = key.removeprefix("n_")
        number = isinstance(row[key], int | float)
        words.append(f"{row[key]}-{unit}" if number and unit != key else str(row[key]))
    return ", ".join(words)
