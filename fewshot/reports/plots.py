"""Pictures of a run: confusion matrix, learning curves, sheets of images."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from fewshot.reports.canvas import bare_axes, new_figure, save_figure, text_style
from fewshot.reports.confusion import confusion_matrix
from fewshot.reports.curves import Curve, accuracy_curves, loss_curves
from fewshot.reports.fonts import drawable, families
from fewshot.reports.palette import FAINT, INK, OTHER_SPLIT, RIGHT, SPLIT_COLOURS, WRONG

__all__ = ["confusion_matrix", "image_grid", "learning_curves"]


def learning_curves(
    metrics_rows: Sequence[Mapping[str, Any]], path: Path, selected_epoch: int | None
) -> None:
    """Draw loss and accuracy by epoch from the rows of metrics.jsonl as PNG.

    Training and validation are lines; the test split, scored once, is one point at the selected
    epoch, which a thin line marks. A panel without figures says so.
    """
    figure = new_figure(10.5, 3.9)
    panels = figure.subplots(1, 2)
    _draw_curves(panels[0], "Loss", loss_curves(metrics_rows), selected_epoch)
    _draw_curves(panels[1], "Accuracy", accuracy_curves(metrics_rows), selected_epoch)
    save_figure(figure, path, dpi=120)


def image_grid(
    images: npt.NDArray[np.uint8],
    captions: Sequence[str],
    path: Path,
    columns: int = 8,
    right: Sequence[bool] | None = None,
) -> None:
    """Draw uint8 images [N, H, W, C] (C = 1 or 3) with a caption each, row by row, as PNG.

    right: where given, frames and captions tell right (blue) from wrong (red). Raises ValueError
    when the captions are not one an image.
    """
    if len(images) != len(captions) or not len(captions):
        raise ValueError(f"{len(images)} images and {len(captions)} captions: need one each")
    height, width = images.shape[1:3]
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    lines = max(caption.count("\n") + 1 for caption in captions)
    cell = 1.35
    step = height / width + (0.14 + 0.125 * lines) / cell * 1.1
    figure = new_figure(cell * 1.1 * columns, cell * step * rows + 0.1, layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = (i % columns) * 1.1 + 0.05, (i // columns) * step + 0.05
        colour = None if right is None else RIGHT if right[i] else WRONG
        _draw_image(axes, image, (left, top, 1.0, height / width), caption, colour)
    axes.set(xlim=(0, 1.1 * columns), ylim=(step * rows + 0.05, 0))
    axes.set_axis_off()
    save_figure(figure, path, dpi=100, colours=None)


def _draw_image(
    axes: Axes,
    image: npt.NDArray[np.uint8],
    box: tuple[float, float, float, float],
    caption: str,
    colour: str | None,
) -> None:
    left, top, width, height = box
    pixels = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    axes.imshow(pixels, extent=(left, left + width, top + height, top), interpolation="nearest")
    if colour is not None:
        frame = Rectangle((left, top), width, height, fill=False, edgecolor=colour, linewidth=2)
        axes.add_patch(frame)
    style = text_style(8, colour or INK, ha="center", va="top")
    axes.text(left + width / 2, top + height + 0.04, drawable(caption), **style)


def _draw_curves(
    axes: Axes, title: str, curves: Sequence[Curve], selected_epoch: int | None
) -> None:
    bare_axes(axes, title, grid=True)
    if not curves:
        style = text_style(10, FAINT, ha="center", va="center", transform=axes.transAxes)
        axes.text(0.5, 0.5, "nothing was logged", **style)
        axes.set(xticks=[], yticks=[])
        return
    keys = dict.fromkeys(curve.key for curve in curves)
    lines = dict(zip(keys, "-:", strict=False))  # any further figure is dashed
    for curve in curves:
        colour = SPLIT_COLOURS.get(curve.split, OTHER_SPLIT)
        if curve.split == "test":
            at = curve.epochs[-1] if selected_epoch is None else selected_epoch
            style = {"linestyle": "none", "marker": "*", "markersize": 14, "zorder": 5}
            axes.plot([at], curve.values[-1:], color=colour, label=curve.label, **style)
            continue
        marker = "o" if len(curve.epochs) <= 40 else ""
        axes.plot(
            curve.epochs, curve.values, color=colour, label=curve.label, marker=marker,
            markersize=3.5, linewidth=1.8, linestyle=lines.get(curve.key, "--"),
        )  # fmt: skip
    if selected_epoch is not None:
        axes.axvline(selected_epoch, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch", **text_style(9.5, FAINT))
    legend = axes.legend(frameon=False, prop={"family": families(), "size": 9})
    for text in legend.get_texts():
        text.set_parse_math(False)
