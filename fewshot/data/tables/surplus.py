"""Rows with more commas than columns: read where the surplus can only be in the last column."""

import re
from collections.abc import Sequence

# A cell is quoted only if its closing quote stands before a comma or the end of the line; any
# other quote, as in `3.5" Shorts`, is a character like the rest and swallows nothing.
_CELL = re.compile(r'"((?:[^"]|"")*+)"(?=,|$)|([^,]*)')
_REPEATED = 0.5  # a column with fewer distinct values than this share of the rows names categories


def split_line(line: str) -> list[str]:
    """The cells of a line by its commas, those in well-formed quotes left out."""
    return [text for text, _, _ in _pieces(line)]


def commas_in_last_column(
    lines: Sequence[str], exact: Sequence[Sequence[str]], columns: int, labels: Sequence[int]
) -> list[list[str] | None]:
    """The cells of each line, its last column taking the surplus; None where that is not certain.

    exact: the cells of the rows that fit the header; labels: columns whose values name classes. It
    is certain when every column that names categories (a label column, or one whose values repeat)
    holds a value that other rows have there, and the surplus in no other column would fit as well.
    """
    known: list[set[str] | None] = []
    for column in range(columns):
        values = {cells[column].strip() for cells in exact}
        names = column in labels or len(values) <= _REPEATED * len(exact)
        known.append(values if names else None)
    return [_read(line.rstrip("\r\n"), columns, known) for line in lines]


def _read(line: str, columns: int, known: Sequence[set[str] | None]) -> list[str] | None:
    pieces = _pieces(line)
    surplus, last = len(pieces) - columns, columns - 1
    if surplus < 0 or not all(well_formed for _, _, well_formed in pieces[:last]):
        return None
    cells = [text for text, _, _ in pieces]
    rest = line[pieces[last][1] :]
    if rest.startswith('"') and rest.count('"') % 2:  # perhaps a text that goes on in the next line
        return None
    fits = _fit([*cells[:last], ""], [*known[:last], None])
    for column in range(last if surplus else 0):
        end = column + surplus + 1
        other = [*cells[:column], ",".join(cells[column:end]), *cells[end:]]
        fits = fits and not _fit(other, known)
    return [*cells[:last], rest] if fits else None


def _fit(cells: Sequence[str], known: Sequence[set[str] | None]) -> bool:
    pairs = zip(cells, known, strict=True)
    return all(values is None or cell.strip() in values for cell, values in pairs)


def _pieces(line: str) -> list[tuple[str, int, bool]]:
    """(text, where it starts, whether its quotes are well-formed) of each cell of a line."""
    line, found, start = line.rstrip("\r\n"), [], 0
    while start <= len(line):
        match = _CELL.match(line, start)
        assert match is not None  # the second alternative matches anything
        quoted, plain = match.groups()
        text = plain if quoted is None else quoted.replace('""', '"')
        found.append((text, start, quoted is not None or not plain.startswith('"')))
        start = match.end() + 1
    return found
