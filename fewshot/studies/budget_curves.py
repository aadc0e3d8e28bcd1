"""The picture of a label-budget study: accuracy by labels a class, a line a method."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from fewshot.evaluation.intervals import over_runs
from fewshot.reports.canvas import bare_axes, new_figure, save_figure, text_style
from fewshot.reports.fonts import families
from fewshot.reports.palette import FAINT, INK, class_colours
from fewshot.studies.paired_differences import TRAINED, curves


def draw_curves(found: pd.DataFrame, figure: str, scratch: str, path: Path) -> None:
    """Draw a panel a way to use the features, a line a method with the 95 % band of its mean.

    found: a row a run, as study.collected gives it. Every panel has training from scratch as the
    dark broken line, whatever it shows of the others.
    """
    of = curves(found, figure)
    labels = found.groupby("budget")["labels"].mean()
    # what is trained comes first, then the heads on frozen features
    ways = sorted(dict.fromkeys(way for _, way in of), key=lambda way: way != TRAINED)
    methods = list(dict.fromkeys(method for method, _ in of))
    colours = dict(zip(methods, class_colours(len(methods)), strict=True))
    columns = min(2, len(ways))
    rows = -(-len(ways) // columns)
    canvas = new_figure(5.2 * columns, 3.9 * rows + 0.5)
    panels = canvas.subplots(rows, columns, squeeze=False, sharey=True).flat
    for axes, way in zip(panels, ways, strict=False):
        bare_axes(axes, way, grid=True)
        if (scratch, TRAINED) in of:
            _line(axes, of[scratch, TRAINED], labels, INK, "scratch, trained on the labels", "--")
        for method in methods:
            if (method, way) in of and (method, way) != (scratch, TRAINED):
                name = "untrained encoder" if method == scratch else method
                _line(axes, of[method, way], labels, colours[method], name)
        _log_axis(axes, labels)
    for axes in list(canvas.axes)[len(ways) :]:
        axes.set_axis_off()
    lines = {str(line.get_label()): line for axes in canvas.axes for line in axes.lines}
    canvas.legend(
        list(lines.values()), list(lines), loc="outside upper center", frameon=False,
        ncols=min(len(lines), 2 * columns), prop={"size": 9, "family": families()},
    )  # fmt: skip
    note = f"test {figure}; lines are means, bands their 95 % intervals, n = {_seeds(found)} seeds"
    canvas.supxlabel(f"labels a class ({note})", **text_style(9, FAINT))
    save_figure(canvas, path, dpi=120)


def _seeds(found: pd.DataFrame) -> str:
    """How many seeds a point is of."""
    counts = found.groupby(["method", "way", "budget"])["seed"].nunique()
    least, most = int(counts.min()), int(counts.max())
    return str(most) if least == most else f"{least} to {most}"


def _line(
    axes: Axes, curve: pd.DataFrame, labels: "pd.Series[float]", colour: str, name: str,
    style: str = "-",
) -> None:  # fmt: skip
    places = labels[curve.columns].to_numpy(float)
    told = [over_runs(curve[budget].dropna().to_numpy(float)) for budget in curve.columns]
    means, halves = np.array([t[0] for t in told]), np.array([t[2] for t in told])
    axes.plot(places, means, style, color=colour, linewidth=1.8, marker="o", markersize=3.5)
    axes.lines[-1].set_label(name)
    if np.isfinite(halves).any():
        axes.fill_between(places, means - halves, means + halves, color=colour, alpha=0.15, lw=0)


def _log_axis(axes: Axes, labels: "pd.Series[float]") -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(labels)))
    axes.xaxis.set_minor_locator(NullLocator())
    names = [f"{value:,.0f}" if value >= 10 else f"{value:.2g}" for value in sorted(labels)]
    axes.set_xticklabels(names)
