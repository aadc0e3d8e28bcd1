"""Records of one line each, most of which hold no quote: taken apart at their commas, many at once.

Python's csv looks at every character; a text is cut into a block's cells in a quarter of the time.
"""

import csv

import numpy as np

from fewshot.data.tables.sheet import Records

_BLOCK = 1 << 17  # bytes, whose cells stay near the processor until they are sorted into columns
_COMMA, _QUOTE, _BREAK = b',"\n'


def read_plain(text: bytes, at: int, width: int) -> Records | None:
    """The cells of all lines from number `at` on, from 0, in valid UTF-8.

    None where that is not certain to be what the whole is by csv's rules: a cell may have several
    lines, or there is but one column, in which a blank line would be a cell.
    """
    if width < 2 or text.count(b"\r") != text.count(b"\r\n"):
        return None
    start = 0
    for _ in range(at):
        start = text.find(b"\n", start) + 1 or len(text)
    records = Records(width)
    try:
        while start < len(text):
            end = text.rfind(b"\n", start, start + _BLOCK) + 1 or text.find(b"\n", start) + 1
            end = end or len(text)
            _add_block(records, text[start:end], width)
            start = end
    except csv.Error:
        return None
    return records


def _add_block(records: Records, block: bytes, width: int) -> None:
    """Add whole lines; raises csv.Error as csv does, too, for a quote that does not end in one."""
    characters = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(characters == _BREAK)
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    if np.diff(ends, prepend=-1).max() > csv.field_size_limit():
        raise csv.Error("perhaps a cell that is too long")
    commas = np.searchsorted(np.flatnonzero(characters == _COMMA), ends)
    odd = np.diff(commas, prepend=0) != width - 1
    if b'"' in block:
        odd[np.searchsorted(ends, np.flatnonzero(characters == _QUOTE))] = True
    start = 0
    for line in [*np.flatnonzero(odd).tolist(), len(ends)]:
        first = int(ends[line - 1]) + 1 if line else 0
        if start < first:
            _add_lines(records, block[start:first], width)
        if line < len(ends):
            start = int(ends[line]) + 1
            records.add(list(csv.reader([block[first:start].decode()], strict=True)))


def _add_lines(records: Records, lines: bytes, width: int) -> None:
    """Add lines of `width` cells without a quote."""
    text = lines.decode().replace("\r\n", "\n").removesuffix("\n")
    cells = text.replace("\n", ",").split(",")
    records.add_columns([cells[column::width] for column in range(width)])
