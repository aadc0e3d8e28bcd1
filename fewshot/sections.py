"""What an evaluator has to say in a report: tables, pictures, links and notes under headings."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Table:
    """A table, kept as CSV.

    name: the file's, inside the experiment's folder, e.g. "tables/groups.csv". frame: fractions in
    [0, 1]; columns mean, ci95 and n are shown as one sampled figure; a table of one row a class
    (class, n, ...) gets totals. note: a sentence below it. across: columns whose values become
    columns where the table is shown, so that it has a row for each value of those that are left.
    """

    name: str
    frame: pd.DataFrame
    note: str = ""
    across: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A PNG in the experiment's folder, which an artifact of the evaluation writes."""

    name: str
    caption: str


@dataclass(frozen=True)
class Link:
    """A page in the experiment's folder, which an artifact of the evaluation writes."""

    target: str
    text: str


@dataclass(frozen=True)
class Note:
    """A sentence or a few."""

    text: str


Block = Table | Picture | Link | Note


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it.

    order: smaller ones come first: curves have 10, figures 80; sections of one order stay as they
    were named. console: whether it is short enough to be printed when the run ends.
    """

    heading: str
    blocks: Sequence[Block]
    order: int = 50
    console: bool = True
