"""Images in a page: every thumbnail is a tile of a JPEG that the page holds once."""

import base64
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fewshot.reports.atlas import opened_sheet
from fewshot.reports.confusions import Confusions
from fewshot.sections import Images, Matrix, Thumbnails

_LEAST_HEIGHT = 56  # pixels; smaller thumbnails are enlarged
_NUMBERS_UP_TO = 25  # classes, whose cells hold their counts
_DRAWN_UP_TO, _DRAWN_BEYOND = 150, 60  # classes


class Atlases:
    """The JPEGs of thumbnails that a page shows: a style each, in which tiles are found."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Thumbnails] = {}

    def style(self, thumbnails: Thumbnails) -> str:
        """The class of a tile's element; '' where the file could not be written."""
        if not (self._folder / thumbnails.name).is_file():
            return ""
        self._known.setdefault(thumbnails.name, thumbnails)
        return f"a{list(self._known).index(thumbnails.name)}"

    def css(self) -> str:
        """The styles of all that were asked for."""
        return "".join(
            self._rule(f"a{number}", thumbnails)
            for number, thumbnails in enumerate(self._known.values())
        )

    def _rule(self, style: str, thumbnails: Thumbnails) -> str:
        path = self._folder / thumbnails.name
        with opened_sheet(path) as sheet:
            sheet_width = sheet.width
        scale = max(1, round(_LEAST_HEIGHT / thumbnails.height))
        width, height = thumbnails.width * scale, thumbnails.height * scale
        data = base64.b64encode(path.read_bytes()).decode()
        pixels = "image-rendering:pixelated;" if scale > 1 else ""
        return (
            f".{style}{{width:{width}px;height:{height}px;{pixels}"
            f"background:url(data:image/jpeg;base64,{data}) "
            f"calc(var(--x)*-{width}px) calc(var(--y)*-{height}px)/{sheet_width * scale}px auto}}\n"
        )


def images_html(block: Images, atlases: Atlases) -> str:
    """The rows, a heading and a strip of thumbnails each."""
    style = atlases.style(block.thumbnails)
    strips = []
    for heading, lines in block.frame.groupby("row", sort=False):
        tiles = "".join(
            _tile(line, style, block.thumbnails.columns) for line in lines.to_dict("records")
        )
        head = f"<h3>{escape(str(heading))}</h3>"
        strips.append(f"<section>{head}<div class=strip>{tiles}</div></section>")
    note = f"<p class=note>{escape(block.note)}</p>" if block.note else ""
    return f"<div class=strips>{''.join(strips)}</div>{note}"


def _tile(line: dict[Any, Any], style: str, columns: int) -> str:
    image_id, caption = _text(line["id"]), _text(line["caption"])
    verdict = _text(line.get("verdict"))
    kind = f" {verdict}" if verdict in ("right", "wrong") else ""
    label = escape(f"{image_id}: {caption}" + (f" ({verdict})" if kind else ""))
    picture = f"<span class=blank>{escape(image_id)}</span>"
    if style and not pd.isna(line["tile"]):
        y, x = divmod(int(line["tile"]), columns)
        picture = f"<i class={style} style='--x:{x};--y:{y}' role=img aria-label='{label}'></i>"
    return (
        f"<div class='tile{kind}' title='{label}'>{picture}<small>{escape(caption)}</small></div>"
    )


def matrix_html(block: Matrix, atlases: Atlases, number: int) -> str:
    """A grid of the cells that are not empty; a click opens the images of one."""
    frame = block.frame
    columns = [frame[name].astype(str).tolist() for name in ("true class", "taken for")]
    names = sorted({*columns[0], *columns[1]})
    place = {name: i for i, name in enumerate(names)}
    found = Confusions(
        np.array([place[name] for name in columns[0]], dtype=np.int64),
        np.array([place[name] for name in columns[1]], dtype=np.int64),
        frame["images"].to_numpy(dtype=np.int64),
        len(names),
    )
    drawn = np.arange(len(names))
    if len(names) > _DRAWN_UP_TO:
        drawn = found.most_mistaken(_DRAWN_BEYOND)
    position = {int(name): i for i, name in enumerate(drawn)}
    shown = [names[i] for i in drawn.tolist()]
    cells = _cells(found, position)
    data = {
        "names": shown,
        "style": atlases.style(block.shown.thumbnails),
        "columns": block.shown.thumbnails.columns,
        "images": _of_cells(block.shown.frame, {name: i for i, name in enumerate(shown)}),
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    size = " numbers" if len(shown) <= _NUMBERS_UP_TO else ""
    note = "" if len(shown) == len(names) else (
        f"The {len(shown)} of {len(names):,} classes with the most mistakes. "
    )  # fmt: skip
    return (
        f"<p class=note>{note}Rows are true classes, columns what they were taken for; a cell "
        "opens the images that fell there.</p><p class=said aria-live=polite>&nbsp;</p>"
        f"<div class=scroll><div class='matrix{size}' id=m{number} style='--n:{len(shown)}'>"
        f"{_headings(shown)}{cells}</div></div>"
        f"<div class=opened hidden></div><script type=application/json>{text}</script>"
    )


def _headings(names: Sequence[str]) -> str:
    parts = []
    for i, name in enumerate(names, start=2):
        text = escape(name)
        parts.append(f"<b class=row style='grid-area:{i}/1' title='{text}'>{text}</b>")
        parts.append(f"<b class=column style='grid-area:1/{i}' title='{text}'>{text}</b>")
    return "".join(parts)


def _cells(found: Confusions, position: dict[int, int]) -> str:
    totals = np.maximum(found.totals(), 1)
    parts = []
    for true, predicted, count in zip(
        found.true.tolist(), found.predicted.tolist(), found.counts.tolist(), strict=True
    ):
        if true not in position or predicted not in position:
            continue
        row, column = position[true], position[predicted]
        share = count / int(totals[true])
        kind = "right" if true == predicted else "wrong"
        dark = " dark" if share > 0.3 else ""
        parts.append(
            f"<button class='{kind}{dark}' data-cell='{row}-{column}' data-share='{share:.3f}' "
            f"style='grid-area:{row + 2}/{column + 2};--s:{share**0.5:.3f}'>{count}</button>"
        )
    return "".join(parts)


def _of_cells(frame: pd.DataFrame, place: dict[str, int]) -> dict[str, list[list[Any]]]:
    """{"row-column": [[tile, id, caption], ...]}."""
    found: dict[str, list[list[Any]]] = {}
    for line in frame.to_dict("records"):
        true, predicted = place.get(str(line["true class"])), place.get(str(line["taken for"]))
        if true is None or predicted is None or pd.isna(line["tile"]):
            continue
        told = [int(line["tile"]), _text(line["id"]), _text(line["caption"])]
        found.setdefault(f"{true}-{predicted}", []).append(told)
    return found


def _text(value: Any) -> str:
    return "" if value is None or (not isinstance(value, str) and pd.isna(value)) else str(value)
