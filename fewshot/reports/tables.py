"""Data frames as text: aligned for the console, as Markdown for the report.

Accuracies stay the fractions that they are on disk and are always shown with four decimals.
"""

import math
import numbers
import unicodedata
from collections.abc import Sequence
from typing import Any

import pandas as pd

from fewshot.wording import visible

UNSEEN_NOTE = "* not a class of the model: never predicted, always counted wrong."
MISSING = "–"
_MOST = 2**40  # images a class; beyond, a file is damaged
_MARKDOWN_SPECIAL = str.maketrans({c: f"\\{c}" for c in "\\`*_|[]#~"} | {"<": "&lt;", "&": "&amp;"})


def format_value(value: Any) -> str:
    """One value as a reader wants it: 0.9123, 18,003, 0.4940 ± 0.0080 (n = 600), – where missing.

    A mapping with `mean` and `ci95` is a sampled figure; its `n` is the number of samples.
    """
    if isinstance(value, dict) and is_sampled(value):
        return _format_sampled(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {format_value(item)}" for key, item in value.items()) or MISSING
    if isinstance(value, list | tuple):
        return ", ".join(format_value(item) for item in value) or MISSING
    if value is None or value is pd.NA or value is pd.NaT:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    if isinstance(value, numbers.Real):
        return _format_real(float(value))
    return str(value)


def is_sampled(value: Any) -> bool:
    """Whether this is a figure that comes from sampling: a mapping with a mean and a ci95."""
    return isinstance(value, dict) and {"mean", "ci95"} <= value.keys()


def format_seconds(seconds: float) -> str:
    """A duration in its two largest units: 12.3 s, 3 min 20 s, 2 h 05 min."""
    if not math.isfinite(seconds):
        return MISSING
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def console(frame: pd.DataFrame, rule_before_last: int = 0) -> str:
    """Aligned text, numbers to the right; a rule sets the last `rule_before_last` rows apart."""
    cells = formatted(frame)
    header = [visible(str(name)) for name in cells.columns]
    rows = [list(map(visible, row)) for row in cells.itertuples(index=False, name=None)]
    right = [is_numeric(frame.iloc[:, i]) for i in range(frame.shape[1])]
    widths = [
        max(_width(text) for text in column) for column in zip(header, *rows, strict=True)
    ]  # fmt: skip
    rule = "-" * (sum(widths) + 2 * max(len(widths) - 1, 0))
    lines = [_aligned(header, widths, right), rule]
    lines += [_aligned(row, widths, right) for row in rows]
    if 0 < rule_before_last < len(rows):
        lines.insert(len(lines) - rule_before_last, rule)
    return "\n".join(lines)


def markdown(frame: pd.DataFrame) -> str:
    """A Markdown table, numbers to the right, special characters escaped."""
    cells = formatted(frame)
    sides = ["---:" if is_numeric(frame.iloc[:, i]) else "---" for i in range(frame.shape[1])]
    rows = [[str(name) for name in cells.columns], *cells.itertuples(index=False, name=None)]
    lines = ["| " + " | ".join(escape_markdown(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + "|".join(sides) + "|")
    return "\n".join(lines)


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is."""
    return " ".join(str(text).split()).translate(_MARKDOWN_SPECIAL)


def mark_unseen(frame: pd.DataFrame) -> pd.DataFrame:
    """The per-class table with `*` after the classes whose `n_train` is 0 (a copy)."""
    marked = frame.copy()
    if {"class", "n_train"} <= set(frame.columns):
        marked["class"] = [
            f"{name} *" if unknown and not str(name).endswith("*") else str(name)
            for name, unknown in zip(frame["class"], _unknown(frame), strict=True)
        ]
    return marked


def has_unseen(frame: pd.DataFrame) -> bool:
    """Whether any class of the per-class table is none of the model's."""
    return "n_train" in frame.columns and any(_unknown(frame))


def _unknown(frame: pd.DataFrame) -> list[bool]:
    # a class of a model trained elsewhere has no count here, and is known to it
    return [not _is_missing(count) and count == 0 for count in frame["n_train"].tolist()]


def is_per_class(frame: pd.DataFrame) -> bool:
    """Whether the table has one row a class, with its n, a count that has a sum."""
    if not {"class", "n"} <= set(frame.columns) or frame["class"].duplicated().any():
        return False
    return pd.api.types.is_numeric_dtype(frame["n"]) and bool((frame["n"].abs() < _MOST).all())


def with_totals(frame: pd.DataFrame, totals: pd.DataFrame | None) -> pd.DataFrame:
    """The table with the rows of totals below it."""
    if totals is None:
        return frame
    return pd.concat([frame, totals], ignore_index=True)[list(frame.columns)]


def per_class_totals(frame: pd.DataFrame) -> pd.DataFrame:
    """The per-class table's two last rows: `all rows`, weighted by n, and `mean of classes`."""
    tested = frame[frame["n"] > 0]
    figures = [name for name in frame.columns if name not in ("class", "n", "n_train")]
    figures = [name for name in figures if is_numeric(frame[name])]
    counts = {name: [int(frame[name].sum()), pd.NA] for name in ("n", "n_train") if name in frame}
    means = {name: [_weighted(tested, name), tested[name].mean()] for name in figures}
    totals = pd.DataFrame({"class": ["all rows", "mean of classes"], **counts, **means})
    return totals.astype(dict.fromkeys(counts, "Int64"))


def formatted(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with every cell as text."""
    columns = [
        [format_value(value) for value in frame.iloc[:, i].tolist()] for i in range(frame.shape[1])
    ]
    cells = pd.DataFrame(dict(enumerate(columns)), index=frame.index, dtype=object)
    cells.columns = pd.Index([str(name) for name in frame.columns], dtype=object)
    return cells


def is_numeric(column: "pd.Series[Any]") -> bool:
    """Whether a column holds numbers or sampled figures, and so is aligned to the right."""
    values = [value for value in column.tolist() if not _is_missing(value)]
    return bool(values) and all(
        is_sampled(value) or (isinstance(value, numbers.Real) and not isinstance(value, bool))
        for value in values
    )


def _weighted(tested: pd.DataFrame, name: str) -> float:
    """The column's mean weighted by n, over the classes that have the figure; nan if none has."""
    known = tested[tested[name].notna()]
    total = float(known["n"].sum())
    return float((known[name] * known["n"]).sum()) / total if total else math.nan


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _format_real(value: float) -> str:
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if abs(value) >= 100:
        return f"{value:,.1f}"
    if value != 0 and abs(value) < 5e-4:
        return f"{value:.3g}"
    return f"{value:.4f}"


def _format_sampled(value: dict[str, Any]) -> str:
    text = f"{format_value(value['mean'])} ± {format_value(value['ci95'])}"
    return f"{text} (n = {format_value(value['n'])})" if "n" in value else text


def _aligned(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = []
    for text, width, to_right in zip(row, widths, right, strict=True):
        padding = " " * (width - _width(text))
        cells.append(padding + text if to_right else text + padding)
    return "  ".join(cells).rstrip()


def _width(text: str) -> int:
    """Columns on a terminal: wide East Asian characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
