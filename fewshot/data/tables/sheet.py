"""The cells of one CSV file, column by column, and its lines."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import overload

_FEW = 4096  # distinct values of a column of which each is kept once


@dataclass(frozen=True)
class Sheet:
    """One file's cells, column by column.

    lines: the numbers of the lines where rows begin, from 1, a range where each row has one line;
    odd: {row: cells} of the rows that do not fit the header: in their place the columns have "".
    """

    path: Path
    columns: list[str]
    cells: list[list[str]]
    lines: Sequence[int]
    odd: dict[int, list[str]]


class Records:
    """Records taken apart into columns, a few at a time, so that few are in memory as rows.

    Of a column with few distinct values each is kept once: a text of its own for every cell would
    be most of the memory, and of the time, that a table of many rows takes.
    """

    def __init__(self, width: int) -> None:
        self._columns: list[list[str]] = [[] for _ in range(width)]
        self._seen: list[dict[str, str]] = [{} for _ in range(width)]
        self._odd: dict[int, list[str]] = {}
        self.count = 0

    def add(self, rows: list[list[str]]) -> None:
        """Append the cells of records."""
        width = len(self._columns)
        if {*map(len, rows)} != {width}:
            self._odd |= {self.count + k: row for k, row in enumerate(rows) if len(row) != width}
            rows = [row if len(row) == width else [""] * width for row in rows]
        self.add_columns(list(zip(*rows, strict=True)))

    def add_columns(self, columns: Sequence[Sequence[str]]) -> None:
        """Append the cells of records, a sequence of equal length for each column."""
        for column, seen, cells in zip(self._columns, self._seen, columns, strict=True):
            column.extend(map(seen.setdefault, cells, cells) if len(seen) < _FEW else cells)
        self.count += len(columns[0])

    def sheet(
        self, path: Path, columns: list[str], starts: Sequence[int], lines: Sequence[str]
    ) -> Sheet:
        """The records but for blank lines; starts: the number of each one's first line, from 1."""
        short = [row for row, cells in self._odd.items() if len(cells) < 2]
        if len(columns) == 1:
            short += [row for row, cell in enumerate(self._columns[0]) if not cell.strip()]
        blank = {row for row in short if not lines[starts[row] - 1].strip()}
        if not blank:
            return Sheet(path, columns, self._columns, starts, self._odd)
        filled = [row not in blank for row in range(self.count)]
        numbers = {row: k for k, row in enumerate(compress(range(self.count), filled))}
        odd = {numbers[row]: cells for row, cells in self._odd.items() if row not in blank}
        cells = [list(compress(column, filled)) for column in self._columns]
        return Sheet(path, columns, cells, list(compress(starts, filled)), odd)


class Lines(Sequence[str]):
    """The lines of a UTF-8 text with their ends, all in memory only when one is asked for.

    Of a quoted cell of several lines each is one. text: all of them.
    """

    def __init__(self, text: bytes) -> None:
        self.text = text

    def __iter__(self) -> Iterator[str]:
        return io.TextIOWrapper(io.BytesIO(self.text), "utf-8-sig", newline="")

    def __len__(self) -> int:
        return len(self._all)

    @overload
    def __getitem__(self, number: int) -> str: ...

    @overload
    def __getitem__(self, number: slice) -> list[str]: ...

    def __getitem__(self, number: int | slice) -> str | list[str]:
        return self._all[number]

    @cached_property
    def _all(self) -> list[str]:
        return list(iter(self))
