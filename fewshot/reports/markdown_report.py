"""The report as Markdown: tables in full, pictures by file name."""

import pandas as pd

from fewshot.reports.contents import RunFiles
from fewshot.reports.sections import Link, Listing, Picture, Table, sections
from fewshot.reports.tables import escape_markdown, markdown


def markdown_report(run: RunFiles) -> str:
    """The whole text."""
    parts = [f"# {escape_markdown(run.title)}", escape_markdown(run.summary)]
    for section in sections(run):
        parts.append(f"## {escape_markdown(section.heading)}")
        for block in section.blocks:
            parts += _block(block)
    return "\n\n".join(parts) + "\n"


def _block(block: Table | Picture | Link | Listing) -> list[str]:
    match block:
        case Picture():
            return [f"![{escape_markdown(block.caption)}]({block.name})"]
        case Link():
            return [f"[{escape_markdown(block.text)}]({block.target})"]
        case Listing():
            fence = "```" if "```" not in block.text else "~~~~"
            return [f"{fence}\n{block.text}\n{fence}"]
    frame = block.frame
    if block.totals is not None:
        frame = pd.concat([frame, block.totals], ignore_index=True)[list(frame.columns)]
    return [markdown(frame), *([escape_markdown(block.note)] if block.note else [])]
