"""What a finished run shows: its report, and its sections on the console."""

import logging
from collections.abc import Sequence
from pathlib import Path

from fewshot.console import show
from fewshot.experiment.files import write_atomically
from fewshot.interfaces import Evaluation
from fewshot.reports.kept_sections import FILE, sections_text
from fewshot.reports.report import write_report
from fewshot.reports.shown_tables import shown, table_text, words_of_images
from fewshot.sections import Block, Images, Link, Matrix, Note, Picture, Section, Table
from fewshot.wording import visible

logger = logging.getLogger("fewshot")


def present(folder: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write sections.json and the report, and print the sections that are short.

    A report that cannot be made is a warning: the figures are safe.
    """
    said = [section for evaluation in evaluations for section in evaluation.sections]
    said.sort(key=lambda section: section.order)
    try:
        text = sections_text(said)
        write_atomically(folder / FILE, lambda path: path.write_text(text, encoding="utf-8"))
        write_report(folder)
    except Exception as error:  # of any kind
        reason = " ".join(str(error).split()) or type(error).__name__
        logger.warning("the report could not be made: %s", reason)
    for section in said:
        if section.console:
            show(section_text(section, folder))
    show(f"\neverything is in {folder}")


def section_text(section: Section, folder: Path) -> str:
    """A section as text for the terminal."""
    parts = [_text(block, folder) for block in section.blocks if _is_there(block, folder)]
    return "\n".join(["", visible(section.heading), "", *parts])


def _is_there(block: Block, folder: Path) -> bool:
    """Whether a picture or page could be made."""
    name = getattr(block, "target", "") or getattr(block, "name", "")
    return isinstance(block, Note | Table | Images | Matrix) or (folder / name).is_file()


def _text(block: Block, folder: Path) -> str:
    match block:
        case Table():
            return table_text(shown(block))
        case Picture():
            return visible(f"{block.caption}: {folder / block.name}")
        case Link():
            return visible(f"{block.text}: {folder / block.target}")
        case Images():
            return table_text(shown(words_of_images(block)))
        case Matrix():
            return table_text(shown(Table(block.name, block.frame)))
    return visible(block.text)
