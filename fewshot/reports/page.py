"""The report as one HTML page: no network, pictures inside, tables that sort."""

import base64
import numbers
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from fewshot.reports.contents import RunFiles
from fewshot.reports.findings import Headline, figure_name, headlines
from fewshot.reports.images_page import Atlases, images_html, matrix_html
from fewshot.reports.outline import Chapter, Part, Verbatim, chapters
from fewshot.reports.shown_tables import Shown
from fewshot.reports.tables import formatted, is_numeric
from fewshot.sections import Images, Link, Matrix, Note, Picture

_PAGE = Path(__file__).with_name("report_page.html")


def html_page(run: RunFiles) -> str:
    """The report of a run."""
    cards = headlines(run.results)
    return chapters_page(run.title, run.summary, cards, chapters(run), run.folder)


def chapters_page(
    title: str,
    summary: str,
    cards: Sequence[Headline],
    found: Sequence[Chapter],
    folder: Path,
) -> str:
    """A whole page of chapters, whose pictures lie in the folder."""
    links = " ".join(
        f"<a href='#s{number}'>{escape(chapter.heading)}</a>"
        for number, chapter in enumerate(found)
    )
    atlases = Atlases(folder)
    body = [f"<nav>{links}</nav>"] if len(found) > 2 else []
    body += [_chapter(chapter, number, folder, atlases) for number, chapter in enumerate(found)]
    values = {
        "TITLE": escape(title),
        "SUMMARY": escape(summary),
        "CARDS": "".join(_card(headline) for headline in cards),
        "STYLES": f"<style>\n{atlases.css()}</style>" if atlases.css() else "",
        "BODY": "".join(body),
    }
    pieces = re.split(r"<!--([A-Z]+)-->", _PAGE.read_text(encoding="utf-8"))
    pieces[1::2] = [values[key] for key in pieces[1::2]]
    return "".join(pieces)


def _card(headline: Headline) -> str:
    note = f"<small>{escape(headline.note)}</small>" if headline.note else ""
    name, value = escape(headline.name), escape(headline.value)
    return f"<div class=card><b>{value}</b><span>{name}</span>{note}</div>"


def _chapter(chapter: Chapter, number: int, folder: Path, atlases: Atlases) -> str:
    body = "".join(_part(part, folder, atlases, number) for part in chapter.parts)
    state = "" if chapter.folded else " open"
    heading = f"<summary><h2>{escape(chapter.heading)}</h2></summary>"
    return f"<details id=s{number}{state}>{heading}{body}</details>\n"


def _part(part: Part, folder: Path, atlases: Atlases, number: int) -> str:
    match part:
        case Images():
            return images_html(part, atlases)
        case Matrix():
            return matrix_html(part, atlases, number)
        case Picture():
            return _figure((folder / part.name).read_bytes(), part.caption)
        case Link():
            return f"<p><a href='{escape(quote(part.target))}'>{escape(part.text)}</a></p>"
        case Note():
            return f"<p class=note>{escape(part.text)}</p>"
        case Verbatim():
            return f"<pre>{escape(part.text)}</pre>"
    return _table(part)


def _figure(png: bytes, caption: str) -> str:
    """A picture; one of panels side by side keeps legible in a narrow window, where it scrolls."""
    data = base64.b64encode(png).decode()
    image = f"<img alt='{escape(caption)}' src='data:image/png;base64,{data}'>"
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    wide = f" class=wide style='--natural:{width}px'" if width > 2 * height else ""
    return f"<figure{wide}>{image}</figure>"


def _table(table: Shown) -> str:
    """A table whose headers sort; bars lie behind the fractions, totals below the rest."""
    frame = table.frame
    kinds = [" class=number" if is_numeric(frame.iloc[:, i]) else "" for i in range(frame.shape[1])]
    head = "".join(
        f"<th{kind} scope=col tabindex=0>{escape(figure_name(str(name)))}</th>"
        for kind, name in zip(kinds, frame.columns, strict=True)
    )
    body = _rows(frame, kinds, table.bars)
    foot = ""
    if table.totals is not None:
        totals = table.totals.reindex(columns=list(frame.columns))
        foot = f"<tfoot>{_rows(totals, kinds, bars=False)}</tfoot>"
    note = f"<p class=note>{escape(table.note)}</p>" if table.note else ""
    parts = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}"
    return f"<div class=scroll><table>{parts}</table></div>{note}"


def _rows(frame: pd.DataFrame, kinds: list[str], bars: bool) -> str:
    cells = formatted(frame)
    rows = []
    for number in range(len(frame)):
        row = []
        for column, kind in enumerate(kinds):
            style = _bar(frame.iloc[number, column]) if bars else ""
            row.append(f"<td{kind}{style}>{escape(str(cells.iloc[number, column]))}</td>")
        rows.append(f"<tr>{''.join(row)}</tr>")
    return "".join(rows)


def _bar(value: Any) -> str:
    is_fraction = isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral)
    if not is_fraction or not 0 <= value <= 1:
        return ""
    return f" style='--share:{value * 100:.1f}%' data-bar"
