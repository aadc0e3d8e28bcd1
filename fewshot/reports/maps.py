"""Maps of an embedding: a picture for print, a page to explore."""

import base64
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fewshot.reports.canvas import new_figure, save_figure, text_style
from fewshot.reports.palette import FAINT, INK, class_colours

LEGEND_CLASSES = 20
LABELLED_CLASSES = 40
THUMBNAIL_HEIGHT = 40
ATLAS_COLUMNS = 100
_PAGE = Path(__file__).with_name("embedding_map.html")


def embedding_png(
    points: npt.NDArray[Any], labels: Sequence[str], path: Path, title: str = ""
) -> None:
    """Draw points [N, 2] coloured by label as PNG.

    Up to 20 classes have a legend; the 40 largest are named at the median of their points.
    """
    names, index = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    counts = np.bincount(index)
    colours = class_colours(len(names))
    figure = new_figure(9.5 if len(names) <= LEGEND_CLASSES else 8.5, 7.2)
    axes = figure.subplots()
    size = min(14.0, max(1.5, 30_000 / max(len(points), 1)))
    axes.scatter(
        points[:, 0], points[:, 1], c=np.array(colours)[index], s=size, linewidths=0, alpha=0.75
    )
    for number in np.argsort(-counts, kind="stable")[:LABELLED_CLASSES]:
        middle = np.median(points[index == number], axis=0)
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "linewidth": 0}
        text = text_style(8, INK, ha="center", va="center", bbox=box)
        axes.text(middle[0], middle[1], str(names[number]), **text)
    if len(names) <= LEGEND_CLASSES:
        handles = [
            axes.scatter([], [], c=colour, s=30, label=f"{name} ({count:,})")
            for name, colour, count in zip(names, colours, counts, strict=True)
        ]
        axes.legend(
            handles=handles,
            loc="center left",
            bbox_to_anchor=(1, 0.5),
            frameon=False,
            prop={"family": "DejaVu Sans", "size": 9},
        )
    axes.set_title(title or f"{len(points):,} images", loc="left", **text_style(10, FAINT))
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)
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

    labels, predictions (or None), ids: one a point; images: uint8 [N, H, W, C], C = 1 or 3, kept as
    thumbnails of at most 40 pixels' height in one JPEG.
    """
    names = sorted(set(labels) | set(predictions or ()))
    position = {name: number for number, name in enumerate(names)}
    low, high = points.min(axis=0), points.max(axis=0)
    unit = (points - low) / np.maximum(high - low, 1e-9)
    atlas, width, height = _atlas(images)
    data = {
        "x": [round(float(value), 5) for value in unit[:, 0]],
        "y": [round(float(value), 5) for value in unit[:, 1]],
        "label": [position[name] for name in labels],
        "prediction": None if predictions is None else [position[name] for name in predictions],
        "id": [str(image_id) for image_id in ids],
        "names": names,
        "colours": class_colours(len(names)),
        "tile": [width, height, ATLAS_COLUMNS],
        "atlas": f"data:image/jpeg;base64,{base64.b64encode(atlas).decode()}",
    }
    # "</" would end the script element
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
    page = _PAGE.read_text(encoding="utf-8").replace("/*DATA*/null", text, 1)
    path.write_text(page, encoding="utf-8")


def _atlas(images: npt.NDArray[np.uint8]) -> tuple[bytes, int, int]:
    """(JPEG of all thumbnails row by row, width and height of one)."""
    count, tall, wide = images.shape[:3]
    height = min(THUMBNAIL_HEIGHT, tall)
    width = max(1, round(wide * height / tall))
    rows = math.ceil(count / ATLAS_COLUMNS)
    mode = "L" if images.shape[3] == 1 else "RGB"
    sheet = Image.new(mode, (width * ATLAS_COLUMNS, height * rows))
    for number, pixels in enumerate(images):
        tile = Image.fromarray(pixels[..., 0] if mode == "L" else pixels)
        if tile.size != (width, height):
            tile = tile.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2)
        place = ((number % ATLAS_COLUMNS) * width, number // ATLAS_COLUMNS * height)
        sheet.paste(tile, place)
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=82)
    return buffer.getvalue(), width, height
