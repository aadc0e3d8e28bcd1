"""CSV files as people have them: one row a line, bare quotes and unquoted commas read, not lost."""

import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fewshot.errors import UserError

# A cell is quoted only if its closing quote stands before a comma or the end of the line; any
# other quote, as in `3.5" Shorts`, is a character like the rest and swallows nothing.
_CELL = re.compile(r'"((?:[^"]|"")*+)"(?=,|$)|([^,]*)')


@dataclass(frozen=True)
class Sheet:
    """One file's cells; `lines` are the line numbers of the rows, the header being line 1."""

    path: Path
    columns: list[str]
    rows: list[list[str]]
    lines: list[int]


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


def read_sheet(path: Path, required: Sequence[str]) -> Sheet:
    """The file's cells; raises UserError as table.read_table does."""
    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if b"\0" in data[:1024]:
            raise UserError(
                f"{path} is not a text file: give a CSV, a text with a header line and a row for "
                "each image (UTF-8)."
            ) from None
        at = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} line {at} is not UTF-8 text: save the file as UTF-8.") from None
    numbered = enumerate(io.StringIO(text, newline=None), start=1)
    filled = ((number, line.rstrip("\n")) for number, line in numbered if line.strip())
    _, header = next(filled, (0, ""))
    if not header:
        raise UserError(f"{path} is empty: it needs a header line and a row for each image.")
    columns = [name.strip() for name in _cells(header, header.count(",") + 1)[0]]
    _check_columns(path, columns, required)
    sheet = Sheet(path, columns, [], [])
    for number, line in filled:
        cells, surplus = _cells(line, len(columns))
        if len(cells) < len(columns) or (surplus and columns[-1] in required):
            _refuse_row(path, number, columns, line)
        sheet.rows.append(cells)
        sheet.lines.append(number)
    if not sheet.rows:
        raise UserError(f"{path} has a header but no rows: it needs a row for each image.")
    return sheet


def _cells(line: str, columns: int) -> tuple[list[str], bool]:
    """At most `columns` cells, and whether the last one holds a surplus of commas."""
    if '"' not in line:
        cells = line.split(",", columns - 1)
        return cells, "," in cells[-1]
    cells, start = [], 0
    while start <= len(line):
        match = _CELL.match(line, start)
        assert match is not None  # the second alternative matches anything
        if len(cells) == columns - 1 and match.end() < len(line):
            return [*cells, line[start:]], True
        quoted, plain = match.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        start = match.end() + 1
    return cells, False


def _refuse_row(path: Path, number: int, columns: list[str], line: str) -> None:
    found = len(_cells(line, line.count(",") + 1)[0])
    raise UserError(
        f"{path} line {number} has {found} columns, the header has {len(columns)}: {line[:80]!r}. "
        "A row is one line; put double quotes around a text that holds commas."
    )


def _check_columns(path: Path, columns: list[str], required: Sequence[str]) -> None:
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise UserError(f"{path}: the header names '{twice[0]}' twice: rename one of the columns.")
    for name in required:
        if name in columns:
            continue
        lower = {column.lower(): column for column in columns}
        close = difflib.get_close_matches(name.lower(), lower, n=1)
        hint = f" Did you mean '{lower[close[0]]}'?" if close else ""
        if len(columns) == 1 and re.search(r"[;\t]", columns[0]):
            hint = " Separate the columns by commas, not by semicolons or tabs."
        found = ", ".join(columns)
        remedy = hint or " Name one of these, or add the column."
        raise UserError(f"{path} has no column '{name}'; its columns are: {found}.{remedy}")
