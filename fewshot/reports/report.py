"""report.md and report.html, made from the files of an experiment folder alone.

python -m fewshot report experiments/NAME
"""

import sys
from collections.abc import Callable
from pathlib import Path

from fewshot.experiment.files import write_atomically
from fewshot.reports.contents import read_run
from fewshot.reports.markdown_report import markdown_report
from fewshot.reports.page import html_page


def write_report(folder: Path) -> None:
    """Write curves.png, report.md and report.html from whatever the folder holds.

    Raises UserError when it holds no results.json, or a damaged file.
    """
    run = read_run(folder)
    if run.history:
        from fewshot.reports.plots import learning_curves  # matplotlib is slow to import

        selected = run.results.get("best_epoch") or None
        write_atomically(
            folder / "curves.png", lambda path: learning_curves(run.history, path, selected)
        )
        run = read_run(folder)
    write_atomically(folder / "report.md", _text_writer(markdown_report(run)))
    write_atomically(folder / "report.html", _text_writer(html_page(run)))


def _text_writer(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["report", *sys.argv[1:]]))
