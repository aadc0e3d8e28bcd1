"""The report as one HTML page: no network, pictures inside, tables that sort."""

import base64
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot.reports.contents import RunFiles
from fewshot.reports.tables import (
    UNSEEN_NOTE,
    format_value,
    formatted,
    has_unseen,
    is_numeric,
    mark_unseen,
)

_PAGE = Path(__file__).with_name("report_page.html")


def html_page(run: RunFiles) -> str:
    """The whole page."""
    sections = [_headlines(run), *_pictures(run, ("curves.png",))]
    for heading, table in run.tables:
        note = f"<p class=note>{escape(UNSEEN_NOTE)}</p>" if has_unseen(table) else ""
        sections.append(_section(heading, _table(mark_unseen(table), bars=True) + note))
    confusions = run.worst_confusions()
    if len(confusions):
        sections.append(_section("Worst confusions", _table(confusions)))
    rest = tuple(name for name, _ in run.pictures if name != "curves.png")
    sections += _pictures(run, rest)
    if (run.folder / "embedding.html").is_file():
        sections.append("<p><a href='embedding.html'>Explore the map of the embedding</a></p>")
    figures = run.figures()
    if len(figures):
        sections.append(_section("All figures", _table(figures)))
    sections.append(_section("Environment", _table(run.facts())))
    if run.config:
        sections.append(
            _section("Configuration", f"<pre>{escape(run.config.strip())}</pre>", closed=True)
        )
    page = _PAGE.read_text(encoding="utf-8")
    values = {"TITLE": escape(run.title), "SUMMARY": escape(run.summary), "BODY": "".join(sections)}
    for key, value in values.items():
        page = page.replace(f"<!--{key}-->", value)
    return page


def _headlines(run: RunFiles) -> str:
    cards = "".join(
        f"<div class=card><b>{escape(_short(value))}</b><span>{escape(name)}</span></div>"
        for name, value in run.headlines()
    )
    return f"<div class=cards>{cards}</div>" if cards else ""


def _short(value: Any) -> str:
    return format_value(value).partition(" (")[0]


def _section(heading: str, body: str, closed: bool = False) -> str:
    state = "" if closed else " open"
    return f"<details{state}><summary><h2>{escape(heading)}</h2></summary>{body}</details>"


def _pictures(run: RunFiles, names: tuple[str, ...]) -> list[str]:
    found = []
    for name, caption in run.pictures:
        if name in names:
            data = base64.b64encode((run.folder / name).read_bytes()).decode()
            image = f"<img alt='{escape(caption)}' src='data:image/png;base64,{data}'>"
            found.append(_section(caption, f"<figure>{image}</figure>"))
    return found


def _table(frame: pd.DataFrame, bars: bool = False) -> str:
    """A table whose headers sort; with bars, fractions in [0, 1] are drawn behind their cells."""
    cells = formatted(frame)
    numeric = [is_numeric(frame.iloc[:, i]) for i in range(frame.shape[1])]
    kinds = [" class=number" if right else "" for right in numeric]
    head = "".join(
        f"<th{kind} tabindex=0>{escape(str(name).replace('_', ' '))}</th>"
        for kind, name in zip(kinds, frame.columns, strict=True)
    )
    rows = []
    for number in range(len(frame)):
        row = []
        for column, kind in enumerate(kinds):
            value = frame.iloc[number, column]
            style = _bar(value) if bars else ""
            row.append(f"<td{kind}{style}>{escape(str(cells.iloc[number, column]))}</td>")
        rows.append(f"<tr>{''.join(row)}</tr>")
    body = "".join(rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class=scroll>{table}</div>"


def _bar(value: Any) -> str:
    if not isinstance(value, float) or not 0 <= value <= 1:
        return ""
    return f" style='--share:{value * 100:.1f}%' data-bar"
