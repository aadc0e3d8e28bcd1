"""Tables: a CSV with one row an image, read as text and written whole or not at all."""

import hashlib
import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fewshot.console import uncollected
from fewshot.data.tables.columns import all_distinct
from fewshot.data.tables.csv_file import read_bytes, read_sheet
from fewshot.data.tables.sheet import Sheet
from fewshot.errors import UserError
from fewshot.experiment.files import write_atomically
from fewshot.wording import all_compared, first_few

Paths = str | Path | Sequence[str | Path]

_MARKS = ',"\r\n'
_MARKED = re.compile(f"[{_MARKS}]").search


def read_table(paths: Paths, label_column: str | None = "articleType") -> pd.DataFrame:
    """The rows of one CSV file or several, in order; every column is text.

    Labels are empty where a row, or the whole of a file, has none; if no file has the label column,
    the table has none either. Ids and labels are in Unicode's composed form (NFC), whatever form
    the files have. Raises UserError for a file that is missing, empty or not UTF-8, for rows that
    do not fit the header, and for empty, duplicate or unsafe ids.
    """
    labels = () if label_column is None else (label_column,)
    return _read(paths, {"id": "create_splits.sh --id-column"}, labels, "id")


def read_rows(
    paths: Paths,
    labels: Sequence[str] = (),
    id_column: str | None = "id",
    named_by: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The same of a table that must have the columns `labels`, and `id_column` unless it is None.

    named_by: what a user would give to name another column, {column: option}.
    """
    required = (*(() if id_column is None else (id_column,)), *labels)
    options = named_by or {}
    return _read(paths, {name: options.get(name, "") for name in required}, labels, id_column)


def _read(
    paths: Paths, required: Mapping[str, str], labels: Sequence[str], id_column: str | None
) -> pd.DataFrame:
    with uncollected():  # a list for every row, none of them garbage
        sheets = [read_sheet(path, required, labels) for path in as_paths(paths)]
        frames = [_frame(sheet, {*required, *labels}) for sheet in sheets]
    table = pd.concat(frames, ignore_index=True).fillna("") if len(frames) > 1 else frames[0]
    if id_column is not None:
        _check_ids(table[id_column].tolist(), sheets)
    return table


def _frame(sheet: Sheet, named: Container[str]) -> pd.DataFrame:
    """The cells as columns of text; those of the named columns are names, as they are compared."""
    columns = {}
    for name, cells in zip(sheet.columns, sheet.cells, strict=True):
        texts = np.array(all_compared(cells) if name in named else cells, dtype=object)
        columns[name] = pd.array(texts, dtype="str")
    return pd.DataFrame(columns, copy=False)


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write the rows, without the index, as a CSV that appears whole or not at all.

    Cells with commas, quotes or line breaks are quoted. Raises UserError when the path cannot be
    written.
    """
    write_text("\n".join([*csv_lines(table), ""]), path)


def csv_lines(table: pd.DataFrame) -> list[str]:
    """The header and the rows, without the index, as `write_table` writes them."""
    names = map(str, table.columns)
    columns = [_cells([name, *_texts(table.iloc[:, k])]) for k, name in enumerate(names)]
    if len(columns) == 1:  # nothing at all would be a blank line
        return [cell or '""' for cell in columns[0]]
    return list(map(",".join, zip(*columns, strict=True)))


def _texts(column: pd.Series) -> list[str]:
    """What is written of each value: nothing of a missing one."""
    values = column.astype(object)
    values = values.where(column.notna(), "") if column.hasnans else values
    return list(map(str, values.tolist()))


def _cells(texts: list[str]) -> list[str]:
    """The texts, quoted where they hold commas, quotes or line breaks."""
    together = "".join(texts)
    if not any(mark in together for mark in _MARKS):
        return texts
    if '"' in together:
        texts = [text.replace('"', '""') for text in texts]
    return [f'"{text}"' if _MARKED(text) else text for text in texts]


def write_text(text: str, path: str | Path) -> None:
    """Write UTF-8 text to a file that appears whole or not at all; else raises UserError."""
    path = Path(path)
    if not path.parent.is_dir():
        raise UserError(
            f"cannot write {path}: {path.parent} is no folder. Choose a folder that exists and is "
            "writable."
        )
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8", newline=""))


def digest(paths: Paths) -> str:
    """Hex SHA-256 of the file's bytes; of the files' digests in order where there are several."""
    digests = [hashlib.sha256(read_bytes(path)).hexdigest() for path in as_paths(paths)]
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def as_paths(paths: Paths) -> list[Path]:
    """One path or several, as a list; raises UserError for none."""
    found = [paths] if isinstance(paths, str | Path) else list(paths)
    if not found:
        raise UserError("no CSV file was given: name at least one.")
    return [Path(path).expanduser() for path in found]


def _check_ids(ids: list[str], sheets: Sequence[Sheet]) -> None:
    together = "\n".join(ids)
    unsafe = any(part in together for part in ("/", "\\", ".."))
    if not unsafe and all(ids) and all_distinct(ids):
        return
    places = [f"{sheet.path.name} line {line}" for sheet in sheets for line in sheet.lines]
    for name, place in zip(ids, places, strict=True):
        if not name:
            raise UserError(f"{place} has an empty id: an id names the image images/<id>.jpg.")
        if "/" in name or "\\" in name or ".." in name:
            raise UserError(
                f"{place} has the id {name!r}: an id is a file name without its ending, "
                "and must not hold '/', '\\' or '..'."
            )
    where: dict[str, list[str]] = {}
    for name, place in zip(ids, places, strict=True):
        where.setdefault(name, []).append(place)
    twice = [f"{name} ({first_few(at)})" for name, at in where.items() if len(at) > 1]
    if twice:
        raise UserError(
            f"duplicate ids: {first_few(twice)}. Each image needs one row: remove the others."
        )
