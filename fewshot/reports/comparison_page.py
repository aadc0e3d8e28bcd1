"""A comparison as one HTML page, and as text for the terminal."""

from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase

from fewshot.experiment.files import write_atomically
from fewshot.reports.compared_curves import compared_curves
from fewshot.reports.comparison import CURVES, Comparison
from fewshot.reports.contents import RunFiles
from fewshot.reports.outline import chapter
from fewshot.reports.page import chapters_page
from fewshot.reports.presenting import section_text


def comparison_text(found: Comparison) -> str:
    """The short sections, one after the other."""
    shown = [section for section in found.sections if section.console]
    return "\n".join(section_text(section, Path()) for section in shown).strip("\n")


def write_comparison(found: Comparison, runs: Sequence[RunFiles], path: Path, folder: Path) -> None:
    """Write the page, whose pictures are inside; raises UserError where it cannot be written.

    folder: where the pictures of `found` lie.
    """
    histories = {
        letter: run.history
        for letter, run in zip(ascii_uppercase, runs, strict=False)
        if run.history
    }
    if histories:
        compared_curves(histories, folder / CURVES)
    chapters = [
        chapter(section) for section in found.sections if histories or not _is_curves(section)
    ]
    title = " and ".join(run.title for run in runs)
    summary = f"{len(runs)} runs, each held against the first."
    text = chapters_page(title, summary, [], chapters, folder)
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))


def _is_curves(section: object) -> bool:
    blocks = getattr(section, "blocks", ())
    return any(getattr(block, "name", "") == CURVES for block in blocks)
