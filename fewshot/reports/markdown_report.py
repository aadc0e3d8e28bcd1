"""The report as Markdown: tables in full, pictures by file name."""

from urllib.parse import quote

from fewshot.reports.contents import RunFiles
from fewshot.reports.outline import Part, Verbatim, chapters
from fewshot.reports.shown_tables import shown, words_of_images
from fewshot.reports.tables import escape_markdown, markdown, with_totals
from fewshot.sections import Images, Link, Matrix, Note, Picture


def markdown_report(run: RunFiles) -> str:
    """The whole text."""
    parts = [f"# {escape_markdown(run.title)}", escape_markdown(run.summary)]
    for chapter in chapters(run):
        parts.append(f"## {escape_markdown(chapter.heading)}")
        for part in chapter.parts:
            parts += _part(part)
    return "\n\n".join(parts) + "\n"


def _part(part: Part) -> list[str]:
    match part:
        case Picture():
            return [f"![{escape_markdown(part.caption)}]({quote(part.name)})"]
        case Link():
            return [f"[{escape_markdown(part.text)}]({quote(part.target)})"]
        case Note():
            return [escape_markdown(part.text)]
        case Verbatim():
            fence = "```" if "```" not in part.text else "~~~~"
            return [f"{fence}\n{part.text}\n{fence}"]
        case Matrix():
            return _part(part.picture)
        case Images():
            return _part(shown(words_of_images(part)))
    table = markdown(with_totals(part.frame, part.totals))
    return [table, *([escape_markdown(part.note)] if part.note else [])]
