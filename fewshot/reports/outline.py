"""A report's chapters and their order, the same for Markdown and for HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fewshot.reports.contents import RunFiles
from fewshot.reports.curves import monitored_note
from fewshot.reports.findings import facts
from fewshot.reports.older_folders import sections_of_files
from fewshot.reports.shown_figures import shown_figures
from fewshot.reports.shown_tables import Shown, shown
from fewshot.sections import Block, Images, Link, Matrix, Note, Picture, Section, Table


@dataclass(frozen=True)
class Verbatim:
    """Text shown as it is."""

    text: str


Part = Shown | Picture | Link | Note | Images | Matrix | Verbatim


@dataclass(frozen=True)
class Chapter:
    """A heading and what stands below it; folded ones open on a click."""

    heading: str
    parts: Sequence[Part]
    order: int
    folded: bool = False


def chapters(run: RunFiles) -> list[Chapter]:
    """Every chapter that the folder has something for: the evaluators' sections and the run's."""
    said = sections_of_files(run) if run.said is None else run.said
    curves: list[Part] = []
    if "curves.png" in run.pictures:
        note = monitored_note(run.history, run.results)
        curves = [Picture("curves.png", "Learning curves"), *([Note(note)] if note else [])]
    figures = shown_figures(run.results)
    found = [
        Chapter("Learning curves", curves, 10),
        *(chapter(section) for section in said),
        Chapter("All figures", [figures] if figures else [], 80),
        Chapter("Run and machine", _frame(facts(run.results, run.environment)), 85),
        Chapter("Configuration", _verbatim(run.config), 90, folded=True),
        Chapter("Operative configuration", _verbatim(run.operative), 95, folded=True),
    ]
    return sorted((one for one in found if one.parts), key=lambda one: one.order)


def chapter(section: Section) -> Chapter:
    """A section as it is shown."""
    return Chapter(section.heading, [_part(block) for block in section.blocks], section.order)


def _part(block: Block) -> Part:
    return shown(block) if isinstance(block, Table) else block


def _frame(frame: pd.DataFrame) -> list[Part]:
    return [Shown(frame)] if len(frame) else []


def _verbatim(text: str) -> list[Part]:
    return [Verbatim(text.strip())] if text.strip() else []
