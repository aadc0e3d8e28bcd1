"""Tables: a CSV with one row an image, read as text and written whole or not at all."""

import hashlib
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from fewshot.data.tables.csv_file import read_bytes, read_sheet
from fewshot.errors import UserError

logger = logging.getLogger("fewshot")

Paths = str | Path | Sequence[str | Path]


def read_table(
    paths: Paths, label_column: str | None = "articleType"
) -> tuple[pd.DataFrame, list[str]]:
    """The labelled rows of one CSV file or several, in order, and the ids of the others.

    Every column is text. One row is one line. Commas beyond the last column belong to the last
    column. Rows with an empty label are left out, counted and named in a warning. Raises UserError
    for a file that is missing, empty or not UTF-8, and for missing columns, short rows, and empty,
    duplicate or unsafe ids.
    """
    table = read_rows(paths, () if label_column is None else (label_column,))
    if label_column is None:
        return table, []
    unlabelled = table[label_column] == ""
    if unlabelled.all():
        raise UserError(
            f"{_names(paths)}: column '{label_column}' is empty in every row: fill it in (for "
            "pictures to be recognised any word will do), or name another column as the label "
            "column."
        )
    ids = table.loc[unlabelled, "id"].tolist()
    if ids:
        logger.warning(
            "%s: skipped %d of %d rows, whose '%s' is empty: ids %s (to have them recognised, "
            "fill in any word)",
            _names(paths),
            len(ids),
            len(table),
            label_column,
            listing(ids),
        )
    return table[~unlabelled].reset_index(drop=True), ids


def read_rows(
    paths: Paths, required: Sequence[str] = (), id_column: str | None = "id"
) -> pd.DataFrame:
    """All rows of one CSV file or several; ids and required columns are checked and stripped.

    id_column: None for a table whose rows are no images. A column that only some of the files have
    is empty in the rows of the others. Raises UserError as read_table does.
    """
    required = [*(() if id_column is None else (id_column,)), *required]
    sheets = [read_sheet(path, required) for path in as_paths(paths)]
    frames = [pd.DataFrame(sheet.rows, columns=sheet.columns, dtype=str) for sheet in sheets]
    table = pd.concat(frames, ignore_index=True).fillna("") if len(frames) > 1 else frames[0]
    for column in required:
        table[column] = table[column].str.strip()
    if id_column is not None:
        places = [f"{sheet.path.name} line {line}" for sheet in sheets for line in sheet.lines]
        _check_ids(table[id_column].tolist(), places)
    return table


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write the rows, without the index, as a CSV that appears whole or not at all.

    Raises UserError when the path cannot be written or a cell holds a line break.
    """
    text = table.to_csv(index=False, lineterminator="\n")
    if text.count("\n") != len(table) + 1 or "\r" in text:
        raise UserError(
            f"{path}: a cell holds a line break, but a row must be one line: remove it."
        )
    write_text(text, path)


def write_text(text: str, path: str | Path) -> None:
    """Write UTF-8 text to a file that appears whole or not at all; else raises UserError."""
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        if draft.is_file():
            draft.unlink()
        raise UserError(
            f"cannot write {path}: {error.strerror}. Choose a folder that exists and is writable."
        ) from error


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


def listing(items: Iterable[object], limit: int = 5) -> str:
    """The first few items, and how many more there are."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def _names(paths: Paths) -> str:
    return ", ".join(path.name for path in as_paths(paths))


def _check_ids(ids: list[str], places: list[str]) -> None:
    for name, place in zip(ids, places, strict=True):
        if not name:
            raise UserError(f"{place} has an empty id: an id names the image images/<id>.jpg.")
        if "/" in name or "\\" in name or ".." in name:
            raise UserError(
                f"{place} has the id {name!r}: an id is a file name without its ending, "
                "and must not hold '/', '\\' or '..'."
            )
    if len(set(ids)) == len(ids):
        return
    where: dict[str, list[str]] = {}
    for name, place in zip(ids, places, strict=True):
        where.setdefault(name, []).append(place)
    twice = [f"{name} ({listing(at)})" for name, at in where.items() if len(at) > 1]
    raise UserError(
        f"duplicate ids: {listing(twice)}. Each image needs one row: remove the others."
    )
