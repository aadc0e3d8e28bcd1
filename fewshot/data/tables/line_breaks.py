"""Line breaks in quoted cells: none in names, and no rows that a stray quote has swallowed."""

import logging
from collections.abc import Iterator, Sequence
from itertools import compress

import numpy as np

from fewshot.data.tables.sheet import Sheet
from fewshot.data.tables.surplus import split_line
from fewshot.errors import UserError
from fewshot.wording import first_few

logger = logging.getLogger("fewshot")

_ADVICE = (
    "A quote that stands for inches, or alone, swallows the rows up to the next one: put double "
    "quotes around such a text, and double the quotes in it."
)


def check_line_breaks(
    sheet: Sheet, text: Sequence[str], names: Sequence[str], labels: Sequence[str]
) -> None:
    """Raise UserError for a name of several lines, and for a text that holds rows for certain.

    text: the file's lines; names: columns whose cells name things; labels: those of them that name
    classes. A line inside of a text is a row for certain if it has as many cells as the header, and
    a class of other rows where classes stand; without that it may be one, and is warned of.
    """
    spans = list(_spans(sheet, text))
    if not spans:
        return
    places = {name: sheet.columns.index(name) for name in names if name in sheet.columns}
    for row, _, _ in spans:
        for name, place in places.items():
            cell = sheet.cells[place][row].strip()
            if len(cell.splitlines()) > 1:
                raise UserError(
                    f"{sheet.path} line {sheet.lines[row]} has a line break in its {name}: "
                    f"{cell[:80]!r}. {_ADVICE}"
                )
    single = np.ones(len(sheet.lines), np.bool_)
    single[[row for row, _, _ in spans]] = False
    columns = {places[name]: sheet.cells[places[name]] for name in labels if name in places}
    classes = {
        place: {*map(str.strip, compress(cells, single))} - {""} for place, cells in columns.items()
    }
    doubtful = []
    for row, first, last in spans:
        for number in range(first + 1, last):
            cells = split_line(text[number])
            if len(cells) != len(sheet.columns):
                continue
            if any(cells[place].strip() in known for place, known in classes.items()):
                raise UserError(
                    f"{sheet.path} line {sheet.lines[row]} begins a quoted text that goes on over "
                    f"line {number + 1}, which is a row by itself: {text[number].strip()[:80]!r}. "
                    f"{_ADVICE}"
                )
            # in prose, a space follows a comma
            if cells[places.get("id", 0)].strip() and not any(c[:1].isspace() for c in cells[1:]):
                doubtful.append(number + 1)
    _warn(sheet, doubtful)


def _warn(sheet: Sheet, doubtful: Sequence[int]) -> None:
    if doubtful:
        logger.warning(
            "%s: %d lines lie inside of quoted texts, and may be rows of their own: %s. %s",
            sheet.path,
            len(doubtful),
            first_few(doubtful),
            _ADVICE,
        )


def _spans(sheet: Sheet, text: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """(row, its first line, the line after its last), lines from 0, of the rows of several."""
    if isinstance(sheet.lines, range):
        return
    bounds = np.append(sheet.lines, len(text) + 1)
    for row in np.flatnonzero(np.diff(bounds) > 1).tolist():
        if any("\n" in cells[row] or "\r" in cells[row] for cells in sheet.cells):
            yield row, int(bounds[row]) - 1, int(bounds[row + 1]) - 1
