"""Pictures of a confusion matrix, legible at ten classes and at a hundred and thirty."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from fewshot.reports.canvas import bare_axes, new_figure, save_figure, text_style
from fewshot.reports.confusions import Confusions
from fewshot.reports.fonts import drawable, families_of
from fewshot.reports.palette import FAINT, INK, WRONG

_NUMBERS_UP_TO = 25  # classes; beyond, a number no longer fits its cell
_LISTED_CONFUSIONS = 25
_DRAWN_UP_TO, _DRAWN_BEYOND = 150, 60  # classes; more names than that cannot be read


def confusion_matrix(found: Confusions, class_names: Sequence[str], path: Path) -> None:
    """Draw who was taken for whom as PNG (row: true class, column: predicted), coloured by share of
    the true class.

    Up to 25 classes the cells hold their counts; beyond, the largest confusions are listed beside,
    and beyond 150, only the 60 classes with the most mistakes are drawn. Raises ValueError when the
    names do not fit.
    """
    if found.size != len(class_names) or not len(class_names):
        raise ValueError(f"confusions of {found.size} do not fit {len(class_names)} class names")
    drawn = np.arange(found.size)
    if found.size > _DRAWN_UP_TO:
        drawn = found.most_mistaken(_DRAWN_BEYOND)
    counts, totals = found.among(drawn), np.maximum(found.totals()[drawn], 1)[:, None]
    names = [drawable(class_names[i]) for i in drawn.tolist()]
    if len(names) <= _NUMBERS_UP_TO:
        side = 3.4 + 0.48 * len(names)
        figure = new_figure(side + 0.4, side)
        matrix = figure.subplots()
        _draw_matrix(figure, matrix, counts / totals, names, font=9)
        _write_counts(matrix, counts)
    else:
        side = min(max(7.5, 0.12 * len(names) + 1.6), 14.0)
        figure = new_figure(side + 4.2, side + 0.4)
        matrix, listed = figure.subplots(1, 2, width_ratios=(side - 0.6, 3.6))
        # points between two rows, of which the map takes three quarters of the height
        pitch = 0.75 * side * 72 / len(names)
        _draw_matrix(figure, matrix, counts / totals, names, font=min(9.0, 0.85 * pitch))
        _list_confusions(listed, found, class_names)
    if len(names) < found.size:
        title = f"the {len(names)} of {found.size:,} classes with the most mistakes"
        matrix.set_title(title, loc="left", **text_style(10, FAINT))
    save_figure(figure, path, dpi=100 if len(names) <= _NUMBERS_UP_TO else 120)


def _draw_matrix(
    figure: Figure,
    axes: Axes,
    share: npt.NDArray[np.floating[Any]],
    class_names: Sequence[str],
    font: float,
) -> None:
    # A power below 1 lets a confusion of a few per cent be seen beside a full diagonal.
    norm = PowerNorm(0.5, vmin=0.0, vmax=1.0)
    picture = axes.imshow(share, cmap="Blues", norm=norm, interpolation="nearest", aspect="equal")
    _name_classes(axes, class_names, font)
    for spine in axes.spines.values():
        spine.set_color("#BBBBBB")
    # the map at the top: what height is left over is for the names below it
    bar = figure.colorbar(
        picture, ax=axes, shrink=0.6, aspect=28, pad=0.015, anchor=(0.0, 1.0), panchor=(1.0, 1.0)
    )
    bar.set_ticks([0, 0.01, 0.1, 0.25, 0.5, 1], labels=["0", "0.01", "0.1", "0.25", "0.5", "1"])
    bar.ax.tick_params(labelsize=8, colors=FAINT, length=2)
    bar.set_label("share of the true class", **text_style(8.5, FAINT))
    bar.outline.set_visible(False)


def _name_classes(axes: Axes, class_names: Sequence[str], font: float) -> None:
    """Below and to the left, as texts: ticks of a hundred names are measured ten times over."""
    axes.set(xticks=[], yticks=[])
    families = families_of(class_names)
    style = text_style(font, family=families, in_layout=False)
    below, beside = axes.get_xaxis_transform(), axes.get_yaxis_transform()
    gap, longest = 2 / 72, 0.0  # inches
    down = below + ScaledTranslation(0, -gap, axes.figure.dpi_scale_trans)
    left = beside + ScaledTranslation(-gap, 0, axes.figure.dpi_scale_trans)
    for place, name in enumerate(class_names):
        axes.text(place, 0, name, transform=down, rotation=90, ha="center", va="top", **style)
        written = axes.text(0, place, name, transform=left, ha="right", va="center", **style)
        longest = max(longest, written.get_window_extent().width / axes.figure.dpi)
    room = 72 * longest + 4  # points
    axes.set_xlabel("predicted class", labelpad=room, **text_style(10, FAINT))
    axes.set_ylabel("true class", labelpad=room, **text_style(10, FAINT))


def _write_counts(axes: Axes, counts: npt.NDArray[np.integer[Any]]) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 8.5 if counts.max() < 10_000 else 7
    for i, j in np.argwhere(counts > 0):
        colour = "white" if share[i, j] > 0.3 else INK
        weight = "bold" if i == j else "normal"
        style = text_style(size, colour, ha="center", va="center", weight=weight)
        axes.text(j, i, f"{counts[i, j]}", **style)


def _list_confusions(axes: Axes, found: Confusions, class_names: Sequence[str]) -> None:
    cells = found.largest(_LISTED_CONFUSIONS)
    totals = found.totals()
    bare_axes(axes, "Largest confusions")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    longest = max((count for *_, count in cells), default=1)
    for row, (true, predicted, count) in enumerate(cells):
        share = count / max(int(totals[true]), 1)
        axes.barh(row + 0.36, count / longest, height=0.26, color=WRONG, alpha=0.75)
        axes.text(
            0,
            row,
            drawable(f"{class_names[true]} → {class_names[predicted]}"),
            **text_style(9, va="center"),
        )
        note = f" {count} ({share:.0%})"
        axes.text(count / longest, row + 0.36, note, **text_style(8, FAINT, va="center"))
    axes.set(xlim=(0, 1.35), ylim=(max(len(cells), _LISTED_CONFUSIONS) - 0.3, -0.7))
