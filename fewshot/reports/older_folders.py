"""Sections of a folder from before evaluators kept their own: whatever its files show."""

from pathlib import Path

import pandas as pd

from fewshot.reports.contents import RunFiles
from fewshot.reports.findings import confident_mistakes, worst_confusions
from fewshot.sections import Block, Link, Picture, Section, Table

_OWN = ("curves.png",)  # the report's
_TELL_APART = ("kind", "head", "n_way", "n_shot")


def sections_of_files(run: RunFiles) -> list[Section]:
    """The tables first, then pictures with the pages of their name, by file name."""
    tables = [*run.tables, *run.per_class]
    found = [Section(_words(name), [_table(name, frame)], 20) for name, frame in tables]
    found += [
        Section(heading, [Table(f"tables/{heading}.csv", frame)], 25)
        for heading, frame in (
            ("Worst confusions", worst_confusions(run.predictions)),
            ("Most confident mistakes", confident_mistakes(run.predictions)),
        )
        if len(frame)
    ]
    pictures = [name for name in run.pictures if name not in _OWN]
    return [*found, *(_picture(run.folder, name) for name in pictures), *_pages(run, pictures)]


def _table(name: str, frame: pd.DataFrame) -> Table:
    repeated = "class" in frame and frame["class"].duplicated().any()
    across = tuple(key for key in _TELL_APART if key in frame) if repeated else ()
    return Table(f"{name}.csv", frame, across=across)


def _picture(folder: Path, name: str) -> Section:
    caption = _words(Path(name).stem)
    page = Path(name).with_suffix(".html").name
    link: list[Block] = [Link(page, f"Open {page}")] if (folder / page).is_file() else []
    return Section(caption, [*link, Picture(name, caption)], 60)


def _pages(run: RunFiles, pictures: list[str]) -> list[Section]:
    """Pages that no picture of their name leads to."""
    known = {"report.html", *(Path(name).with_suffix(".html").name for name in pictures)}
    pages = sorted(path.name for path in run.folder.glob("*.html") if path.name[0] != ".")
    return [
        Section(_words(Path(page).stem), [Link(page, f"Open {page}")], 60)
        for page in pages
        if page not in known
    ]


def _words(name: str) -> str:
    text = name.replace("_", " ").replace("-", " ")
    return text[:1].upper() + text[1:]
