"""report.md and report.html, made from the files of an experiment folder alone.

python -m fewshot.reports.report experiments/NAME
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fewshot.errors import UserError
from fewshot.reports.contents import RunFiles, read_run
from fewshot.reports.page import html_page
from fewshot.reports.plots import learning_curves
from fewshot.reports.tables import UNSEEN_NOTE, has_unseen, mark_unseen, markdown


def write_report(folder: Path) -> None:
    """Write curves.png, report.md and report.html from whatever the folder holds.

    Raises UserError when it holds no results.json.
    """
    run = read_run(folder)
    if run.history:
        _replace(
            folder / "curves.png",
            lambda path: learning_curves(run.history, path, run.results.get("best_epoch") or None),
        )
        run = read_run(folder)
    _replace(folder / "report.md", lambda path: _write(path, markdown_report(run)))
    _replace(folder / "report.html", lambda path: _write(path, html_page(run)))


def markdown_report(run: RunFiles) -> str:
    """The report as Markdown, pictures by file name."""
    parts = [f"# {run.title}", run.summary]
    figures = run.figures()
    if len(figures):
        parts += ["## Figures", markdown(figures)]
    parts += [f"![{caption}]({name})" for name, caption in run.pictures]
    for heading, table in run.tables:
        parts += [f"## {heading}", markdown(mark_unseen(table))]
        if has_unseen(table):
            parts.append(UNSEEN_NOTE.replace("*", "\\*"))
    confusions = run.worst_confusions()
    if len(confusions):
        parts += ["## Worst confusions", markdown(confusions)]
    parts += ["## Environment", markdown(run.facts())]
    if run.config:
        parts += ["## Configuration", f"```\n{run.config.strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _replace(path: Path, writer: Any) -> None:
    """Fill a hidden file beside `path`, then put it in place."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        writer(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def main(arguments: Sequence[str]) -> int:
    """The command line; the exit code."""
    if len(arguments) != 1:
        print("usage: python -m fewshot.reports.report EXPERIMENT_FOLDER", file=sys.stderr)
        return 2
    try:
        write_report(Path(arguments[0]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(Path(arguments[0]) / "report.html")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
