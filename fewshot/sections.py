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


@dataclass(frozen=True)
class Thumbnails:
    """Small pictures in one JPEG, an artifact of the evaluation: tile i lies in column
    i % columns and row i // columns, each width x height pixels.
    """

    name: str
    width: int
    height: int
    columns: int


@dataclass(frozen=True)
class Images:
    """Images that stand together in rows, kept as CSV.

    name: the table's file. frame: one line an image: row (what the images beside it share, said
    before them), id, caption, verdict ("right", "wrong" or ""), tile (its place in the thumbnails,
    missing where it has none). note: a sentence below.
    """

    name: str
    frame: pd.DataFrame
    thumbnails: Thumbnails
    note: str = ""


@dataclass(frozen=True)
class Matrix:
    """Who was taken for whom: cells that open the images which fell there; elsewhere a picture.

    name: the file of frame: true class, taken for, images (how many). shown: its frame has the
    columns true class, taken for, id, caption, tile, the surest first. picture: the same as a PNG.
    """

    name: str
    frame: pd.DataFrame
    shown: Images
    picture: Picture


Block = Table | Picture | Link | Note | Images | Matrix


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


def tables_of(sections: Sequence[Section]) -> dict[str, pd.DataFrame]:
    """The tables by file name that the sections are kept as."""
    found: dict[str, pd.DataFrame] = {}
    for block in (block for section in sections for block in section.blocks):
        match block:
            case Table() | Images():
                found[block.name] = block.frame
            case Matrix():
                found |= {block.name: block.frame, block.shown.name: block.shown.frame}
    return found
