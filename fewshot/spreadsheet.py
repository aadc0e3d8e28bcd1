"""CSV that people open in a spreadsheet: no cell is a formula, and every text comes back."""

import re
from pathlib import Path
from typing import Any

import pandas as pd

# A text cell that a spreadsheet would compute: numbers written as text (-5, +1.5) are none.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def escaped(value: Any) -> Any:
    """Text that begins with = + - @, tab or carriage return gets an apostrophe before it."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def restored(value: Any) -> Any:
    """What `escaped` was given."""
    return value[1:] if isinstance(value, str) and _ESCAPED.match(value) else value


def csv_text(table: pd.DataFrame) -> str:
    """The table as CSV without its index, text cells and column names escaped."""
    safe = table.copy()
    for place, kind in enumerate(table.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            column = table.iloc[:, place].map(escaped, na_action="ignore")
            safe.isetitem(place, column.to_numpy(dtype=object))
    safe.columns = pd.Index([escaped(name) for name in table.columns])
    return str(safe.to_csv(index=False, lineterminator="\n"))


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write the table as `csv_text` has it, in UTF-8."""
    path.write_text(csv_text(table), encoding="utf-8", newline="")


def read_csv(path: Path, texts: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read such a file; texts: columns that stay text. Raises ValueError for a damaged file.

    Names such as NA stay names; n_train stays whole where some are missing.
    """
    try:
        table = pd.read_csv(
            path,
            keep_default_na=False,
            na_values=[""],
            dtype=dict.fromkeys(texts, str) | {"n_train": "Int64"},
            encoding="utf-8",
        )
    except OverflowError as error:  # a count of thirty digits
        raise ValueError(str(error)) from None
    for place, kind in enumerate(table.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            column = table.iloc[:, place].map(restored, na_action="ignore")
            table.isetitem(place, column.to_numpy(dtype=object))
    table.columns = pd.Index([restored(name) for name in table.columns])
    return table
