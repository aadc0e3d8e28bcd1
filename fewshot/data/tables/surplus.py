"""Rows with more commas than columns: read where the surplus can only be in the last column."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache

# A cell is quoted only if its closing quote stands before a comma or the end of the line; any
# other quote, as in `3.5" Shorts`, is a character like the rest and swallows nothing.
_CELL = re.compile(r'"((?:[^"]|"")*+)"(?=,|$)|([^,]*)')
_NUMBER = re.compile(r"([+-]?\d+(\.\d*)?)?")
_NUMBERS = re.compile(rf"({_NUMBER.pattern}\n)*+{_NUMBER.pattern}")
_REPEATED = 0.5  # a column with fewer distinct values than this share of the rows names categories

_Fits = Callable[[str], bool]


def split_line(line: str) -> list[str]:
    """The cells of a line by its commas, those in well-formed quotes left out."""
    return [text for text, _, _ in _pieces(line)]


def commas_in_last_column(
    lines: Sequence[str], exact: Sequence[Sequence[str]], labels: Sequence[int]
) -> list[list[str] | None]:
    """The cells of each line, its last column taking the surplus; None where that is not certain.

    exact: the columns of the rows that fit the header; labels: which of them name classes. It is
    certain when the other columns hold what they hold in other rows (one of few values where values
    repeat, a number or nothing where all are), and would not with the surplus in any other column.
    Labels are asked first to be known ones, and then, for a class that only such rows have,
    to be any text: the columns behind them tell, unless a known class stands elsewhere in the row.
    A class may hold the surplus itself, so a label right before a last column of any text is never
    certain.
    """
    columns = len(exact)
    found = [_column(column) for column in exact]
    free = [_anything if column in labels else fits for column, fits in enumerate(found)]
    known = list(found)
    of_class: list[_Fits] = [_anything if labels else _nothing] * columns
    for column in labels:
        names = _values(exact[column]) - {""}
        known[column] = of_class[column] = names.__contains__
    texts = [line.rstrip("\r\n") for line in lines]
    doubtful = [free if column in labels else known for column in range(columns)]
    return [
        _read(text, known, doubtful) or _read(text, free, [of_class] * columns) for text in texts
    ]


def _column(cells: Sequence[str]) -> _Fits:
    """What tells whether a cell may stand in a column that holds these.

    It is found out when it is first asked: of most columns with a text of its own for every row
    nobody asks.
    """

    @cache
    def fits() -> _Fits:
        if any(map(str.strip, cells)) and _are_numbers(cells):
            return _is_number
        values = _values(cells)
        return values.__contains__ if len(values) <= _REPEATED * len(cells) else _anything

    return lambda text: fits()(text)


def _values(cells: Iterable[str]) -> frozenset[str]:
    return frozenset(map(str.strip, frozenset(cells)))


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def _are_numbers(cells: Sequence[str]) -> bool:
    """The same of all of them, stripped, by one call."""
    if not _is_number(cells[-1].strip()):  # as in most columns of words
        return False
    together = "\n".join(map(str.strip, cells))
    lines_alone = together.count("\n") == len(cells) - 1
    return lines_alone and _NUMBERS.fullmatch(together) is not None


def _anything(_: str) -> bool:
    return True


def _nothing(_: str) -> bool:
    return False


def _read(
    line: str, columns_fit: Sequence[_Fits], doubtful: Sequence[Sequence[_Fits]]
) -> list[str] | None:
    """The cells with the surplus in the last column; None where they do not fit, or would, or be
    doubtful by what is said for that column, with the surplus in another.
    """
    pieces, columns = _pieces(line), len(columns_fit)
    surplus, last = len(pieces) - columns, columns - 1
    if surplus < 0 or not all(well_formed for _, _, well_formed in pieces[:last]):
        return None
    cells = [text for text, _, _ in pieces]
    rest = line[pieces[last][1] :]
    if rest.startswith('"') and rest.count('"') % 2:  # perhaps a text that goes on in the next line
        return None
    fits = _fit(cells[:last], columns_fit[:last])
    for column in range(last if surplus else 0):
        end = column + surplus + 1
        other = [*cells[:column], ",".join(cells[column:end]), *cells[end:]]
        fits = fits and not _fit(other, columns_fit) and not _fit(other, doubtful[column])
    return [*cells[:last], rest] if fits else None


def _fit(cells: Sequence[str], columns_fit: Sequence[_Fits]) -> bool:
    return all(fits(cell.strip()) for cell, fits in zip(cells, columns_fit, strict=True))


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
