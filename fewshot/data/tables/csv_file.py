"""CSV files as people have them: RFC 4180, and what is certain of rows that are not."""

import csv
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NoReturn
from unicodedata import normalize

from fewshot.data.tables.line_breaks import check_line_breaks
from fewshot.data.tables.plain_lines import read_plain
from fewshot.data.tables.sheet import Lines, Records, Sheet
from fewshot.data.tables.surplus import commas_in_last_column, split_line
from fewshot.errors import UserError

_AT_ONCE = 1024  # records


def read_bytes(path: Path) -> bytes:
    """The file's bytes; raises UserError when it is missing, a folder or unreadable."""
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a CSV file: give the path of the file in it.")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"CSV file not found: {path}. Relative paths start at {Path.cwd()}: check the path."
        ) from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}. Check its permissions.") from error


def read_sheet(path: Path, required: Mapping[str, str], labels: Sequence[str] = ()) -> Sheet:
    """The file's cells; raises UserError as table.read_table does.

    required: columns that must be there, and what names another for each ("" for nothing); labels:
    those that name classes, if they are there. A row of too many cells is read if the surplus can
    only be commas in the last column, see commas_in_last_column.
    """
    lines = _lines(path)
    at = next((i for i, line in enumerate(lines) if line.strip()), None)
    if at is None:
        raise UserError(f"{path} is empty: it needs a header line and a row for each image.")
    header, taken = _record(islice(lines, at, None)) or (split_line(lines[at]), 1)
    at += taken
    asked = {normalize("NFC", name): name for name in (*required, *labels)}
    columns = [normalize("NFC", name.strip()) for name in header]
    columns = [asked.get(name, name) for name in columns]
    _check_columns(path, columns, required, labels)
    sheet = (
        _read_plain(path, columns, lines, at)
        or _read_whole(path, columns, lines, at)
        or _read_rows(path, columns, lines, at)
    )
    if not sheet.lines:
        raise UserError(f"{path} has a header but no rows: it needs a row for each image.")
    surplus = _surplus(sheet, lines, {*required, *labels})
    _mend(sheet, surplus, [columns.index(name) for name in labels if name in columns])
    check_line_breaks(sheet, lines, [*dict.fromkeys((*required, *labels))], labels)
    return sheet


def _read_plain(path: Path, columns: list[str], lines: Lines, at: int) -> Sheet | None:
    """The cells from a line on, where each record certainly is one line; else None."""
    records = read_plain(lines.text, at, len(columns))
    if records is None:
        return None
    return records.sheet(path, columns, range(at + 1, at + 1 + records.count), lines)


def _read_whole(path: Path, columns: list[str], lines: Lines, at: int) -> Sheet | None:
    """The cells from a line on, read at once; None where a quote somewhere is not well-formed."""
    reader = csv.reader(islice(lines, at, None), strict=True)
    records = Records(len(columns))
    try:
        while rows := list(islice(reader, _AT_ONCE)):
            records.add(rows)
    except csv.Error:
        return None
    starts: Sequence[int] = range(at + 1, at + 1 + records.count)
    if reader.line_num > records.count:  # some records have several lines
        reader = csv.reader(islice(lines, at, None), strict=True)
        starts = [at + 1, *(at + 1 + reader.line_num for _ in reader)][:-1]
    return records.sheet(path, columns, starts, lines)


def _read_rows(path: Path, columns: list[str], lines: Lines, at: int) -> Sheet:
    """The same, record by record; one that is not well-formed has no cells."""
    records = Records(len(columns))
    starts: list[int] = []
    while at < len(lines):
        start, line = at, lines[at]
        at += 1
        if not line.strip():
            continue
        cells: list[str] = []
        if '"' not in line:
            cells = line.rstrip("\r\n").split(",")
        elif record := _record(lines[i] for i in range(start, len(lines))):
            cells, taken = record
            at = start + taken
        records.add([cells])
        starts.append(start + 1)
    return records.sheet(path, columns, starts, lines)


def _surplus(sheet: Sheet, lines: Lines, checked: set[str]) -> dict[int, str]:
    """{row: line} of the rows that do not fit the header; refuses the first that nothing mends."""
    surplus = dict[int, str]()
    for row, cells in sheet.odd.items():
        line = lines[sheet.lines[row] - 1]
        # a record of several lines has no comma too many, and no id or label holds one
        if sheet.columns[-1] in checked or any("\n" in c or "\r" in c for c in cells):
            _refuse(sheet.path, sheet.lines[row] - 1, sheet.columns, line)
        surplus[row] = line
    return surplus


def _lines(path: Path) -> Lines:
    data = read_bytes(path)
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if b"\0" in data[:1024]:
            raise UserError(
                f"{path} is not a text file: give a CSV, a text with a header line and a row for "
                "each image (UTF-8)."
            ) from None
        at = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} line {at} is not UTF-8 text: save the file as UTF-8.") from None
    return Lines(data)


def _record(lines: Iterable[str]) -> tuple[list[str], int] | None:
    """The cells of the record that begins with the lines, and how many it has; None: malformed."""
    reader = csv.reader(lines, strict=True)
    try:
        return next(reader), reader.line_num
    except csv.Error:
        return None


def _mend(sheet: Sheet, surplus: Mapping[int, str], labels: Sequence[int]) -> None:
    """Read the rows of too many cells, {row: line}, or refuse the first that is not certain."""
    if not surplus:
        return
    exact = [_without(column, surplus) for column in sheet.cells]
    read = commas_in_last_column(list(surplus.values()), exact, labels)
    for (row, line), cells in zip(surplus.items(), read, strict=True):
        if cells is None:
            _refuse(sheet.path, sheet.lines[row] - 1, sheet.columns, line)
        for column, cell in zip(sheet.cells, cells, strict=True):
            column[row] = cell


def _without(cells: list[str], rows: Iterable[int]) -> list[str]:
    """All cells but those of some rows, in order."""
    kept: list[str] = []
    start = 0
    for row in rows:
        kept += cells[start:row]
        start = row + 1
    return kept + cells[start:]


def _refuse(path: Path, at: int, columns: list[str], line: str) -> NoReturn:
    found, wanted = len(split_line(line)), len(columns)
    what = f"has {found} cells, the header has {wanted}"
    if found == wanted:
        what = "has a quote that does not end before a comma or the end of a line"
    raise UserError(
        f"{path} line {at + 1} {what}: {line.strip()[:80]!r}. Put double quotes around a text "
        "that holds commas, quotes or line breaks, and double the quotes in it."
    )


def _check_columns(
    path: Path, columns: list[str], required: Mapping[str, str], labels: Sequence[str]
) -> None:
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise UserError(f"{path}: the header names '{twice[0]}' twice: rename one of the columns.")
    lower = {column.lower(): column for column in columns}
    for name in {**required, **dict.fromkeys(labels)}:
        if name in columns or (name not in required and name.lower() not in lower):
            continue
        close = difflib.get_close_matches(name.lower(), lower, n=1)
        hint = f" Did you mean '{lower[close[0]]}'?" if close else ""
        if len(columns) == 1 and re.search(r"[;\t]", columns[0]):
            hint = " Separate the columns by commas, not by semicolons or tabs."
        binding = required.get(name)
        remedy = f" Name another with {binding}, or add the column." if binding else ""
        if not hint and not remedy:
            remedy = " Name one of these, or add the column."
        found = ", ".join(columns)
        raise UserError(f"{path} has no column '{name}'; its columns are: {found}.{hint}{remedy}")
