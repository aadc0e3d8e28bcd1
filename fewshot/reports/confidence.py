"""Pictures of confidence: what a threshold leaves wrong, and whether it says what it means."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from fewshot.reports.canvas import bare_axes, new_figure, save_figure, text_style
from fewshot.reports.fonts import families
from fewshot.reports.palette import FAINT, INK, RIGHT, WRONG

Floats = NDArray[np.float64]


def risk_coverage_picture(
    curves: Mapping[str, tuple[Floats, Floats]], answered: float | None, path: Path
) -> None:
    """Draw (coverage, risk) by name as PNG; answered: the coverage that a threshold was chosen for,
    marked by a line.
    """
    figure = new_figure(6.4, 3.9)
    axes = figure.subplots()
    bare_axes(axes, "Risk by coverage", grid=True)
    for (name, (coverage, risk)), colour in zip(curves.items(), (WRONG, RIGHT), strict=False):
        alone = "o" if len(coverage) == 1 else ""  # no line leads to it
        axes.step(coverage, risk, where="post", color=colour, label=name, linewidth=1.8,
                  marker=alone)  # fmt: skip
    if answered is not None:
        axes.axvline(
            answered, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), label="the threshold"
        )
    axes.set(xlim=(0, 1), ylim=(0, None))
    _label(axes, "share of the images that is answered", "share of the answers that is wrong")
    axes.legend(frameon=False, prop={"family": families(), "size": 9})
    save_figure(figure, path, dpi=120)


def reliability_picture(panels: Mapping[str, tuple[Floats, NDArray[np.int64]]], path: Path) -> None:
    """Draw a reliability diagram for each title: the share that is right of the rows in equal bins
    of confidence (nan where there are none), and how many rows; as PNG.
    """
    figure = new_figure(4.4 * len(panels), 4.4)
    for axes, (title, (right, rows)) in zip(
        np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True
    ):
        bare_axes(axes, title, grid=True)
        width = 1 / len(right)
        left = np.arange(len(right)) * width
        axes.bar(left, np.nan_to_num(right), width, align="edge", color=RIGHT, alpha=0.75,
                 edgecolor="white", label="right")  # fmt: skip
        share = rows / max(1, rows.sum())
        axes.step([*left, 1], [*share, share[-1]], where="post", color=WRONG, linewidth=1.4,
                  label="share of the images")  # fmt: skip
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.set(xlim=(0, 1), ylim=(0, 1))
        _label(axes, "confidence", "share that is right")
    # below the panels: bars may reach any place inside them
    found = figure.axes[0].get_legend_handles_labels()
    figure.legend(*found, loc="outside lower center", ncols=2, frameon=False,
                  prop={"family": families(), "size": 9})  # fmt: skip
    save_figure(figure, path, dpi=120)


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across, **text_style(9.5, FAINT))
    axes.set_ylabel(up, **text_style(9.5, FAINT))
