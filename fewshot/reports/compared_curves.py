"""The curves of several runs over each other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fewshot.reports.canvas import bare_axes, new_figure, save_figure, text_style
from fewshot.reports.curves import Curve, accuracy_curves, loss_curves
from fewshot.reports.fonts import drawable, families
from fewshot.reports.palette import FAINT, class_colours

_STYLES = {"train": ":", "validation": "-"}


def compared_curves(histories: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Draw loss and accuracy by epoch of each run as PNG, a colour a run.

    histories: rows of metrics.jsonl by what the run is called. Validation is a line, training a
    dotted one, the test split a star.
    """
    figure = new_figure(10.5, 4.2)
    panels = figure.subplots(1, 2)
    colours = dict(zip(histories, class_colours(len(histories)), strict=True))
    for axes, title, curves in (
        (panels[0], "Loss", loss_curves),
        (panels[1], "Accuracy", accuracy_curves),
    ):
        bare_axes(axes, title, grid=True)
        for name, rows in histories.items():
            for curve in curves(rows):
                _draw(axes, name, colours[name], curve)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlabel("epoch", **text_style(9.5, FAINT))
        if axes.lines:
            legend = axes.legend(frameon=False, prop={"family": families(), "size": 9})
            for text in legend.get_texts():
                text.set_parse_math(False)
    save_figure(figure, path, dpi=120)


def _draw(axes: Axes, name: str, colour: str, curve: Curve) -> None:
    label = drawable(f"{name} {curve.label}")
    if curve.split == "test":
        style: dict[str, Any] = {"linestyle": "none", "marker": "*", "markersize": 13}
        axes.plot(curve.epochs[-1:], curve.values[-1:], color=colour, label=label, **style)
        return
    line = _STYLES.get(curve.split, "--")
    axes.plot(
        curve.epochs, curve.values, color=colour, label=label, linewidth=1.8, linestyle=line,
        marker="o", markersize=3,
    )  # fmt: skip
