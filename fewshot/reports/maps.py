"""Maps of an embedding: a picture for print, a page to explore."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fewshot.reports.atlas import ATLAS_COLUMNS, ATLAS_TILES, sprite_atlases
from fewshot.reports.canvas import new_figure, save_figure, text_style
from fewshot.reports.direct_labels import label_places
from fewshot.reports.fonts import drawable, families
from fewshot.reports.palette import FAINT, INK, class_colours

_LEGEND_CLASSES = 20
_PAGE = Path(__file__).with_name("embedding_map.html")


def embedding_png(
    points: npt.NDArray[Any], labels: Sequence[str], path: Path, title: str = ""
) -> None:
    """Draw points [N, 2] coloured by label as PNG.

    Classes are named at the median of their points, the largest first, as far as there is room; up
    to 20 have a legend, too.
    """
    names, index = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    counts = np.bincount(index)
    colours = class_colours(len(names))
    with_legend = len(names) <= _LEGEND_CLASSES
    figure = new_figure(9.5 if with_legend else 8.5, 7.2)
    axes = figure.subplots()
    # A fixed shuffle, so that no class covers the others by coming last.
    order = np.random.default_rng(0).permutation(len(points))
    size = min(16.0, max(2.5, 40_000 / max(len(points), 1)))
    x, y = points[order].T
    axes.scatter(x, y, c=np.array(colours)[index[order]], s=size, linewidths=0, alpha=0.8)
    if with_legend:
        handles = [
            axes.scatter([], [], c=colour, s=36, label=drawable(f"{name} ({count:,})"))
            for name, colour, count in zip(names, colours, counts, strict=True)
        ]
        _legend(axes, handles)
    axes.set_title(title or f"{len(points):,} images", loc="left", **text_style(10, FAINT))
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    for side in axes.spines.values():
        side.set_visible(False)
    largest = np.argsort(-counts, kind="stable")
    middles = np.array([np.median(points[index == number], axis=0) for number in largest])
    label_places(axes, middles, [drawable(str(names[number])) for number in largest])
    save_figure(figure, path)


def embedding_html(
    points: npt.NDArray[Any],
    labels: Sequence[str],
    predictions: Sequence[str] | None,
    ids: Sequence[str],
    images: npt.NDArray[np.uint8],
    path: Path,
) -> None:
    """Write one page that needs no network: points [N, 2], classes to toggle, images on hover.

    labels, predictions (None or all empty: there are none), ids: one a point; images: uint8
    [N, H, W, C], C = 1 or 3, kept as thumbnails of at most 40 pixels' height in a few JPEGs.
    `#id=<id>` behind the address opens that image's card.
    """
    if predictions is not None and not any(predictions):
        predictions = None
    names = sorted(set(labels) | set(predictions or ()))
    position = {name: number for number, name in enumerate(names)}
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.maximum(high - low, 1e-9)
    unit = (points - low) / size
    atlases, width, height = sprite_atlases(images)
    data = {
        "x": [round(float(value), 5) for value in unit[:, 0]],
        "y": [round(float(value), 5) for value in unit[:, 1]],
        "aspect": round(float(size[0] / size[1]), 5),
        "label": [position[name] for name in labels],
        "prediction": None if predictions is None else [position[name] for name in predictions],
        "id": [str(image_id) for image_id in ids],
        "names": names,
        "colours": class_colours(len(names)),
        "tile": [width, height, ATLAS_COLUMNS, ATLAS_TILES],
        "atlases": atlases,
    }
    # A "</" would end the script element.
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    page = _PAGE.read_text(encoding="utf-8").replace("/*DATA*/null", text, 1)
    path.write_text(page, encoding="utf-8")


def _legend(axes: Any, handles: Sequence[Any]) -> None:
    legend = axes.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        frameon=False,
        labelcolor=INK,
        prop={"family": families(), "size": 9},
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
