"""Figures drawn without pyplot: no global state, safe in threads, the same bytes every time."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from fewshot.reports.fonts import families
from fewshot.reports.palette import FAINT, GRID, INK


def new_figure(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """An empty white figure, width x height in inches, drawn by Agg."""
    figure = Figure(figsize=(width, height), facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path, dpi: int = 110, colours: int | None = 256) -> None:
    """Write the figure as PNG, whatever the path's suffix, without time or version in it.

    colours: of the palette that keeps drawings small; None for photographs.
    """
    figure.set_dpi(dpi)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # savefig would lay out, draw and encode it twice
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    if colours is not None:
        picture = picture.quantize(colours, dither=Image.Dither.NONE)
    with Path(path).open("wb") as file:
        picture.save(file, "PNG", optimize=True)


def text_style(size: float, colour: str = INK, **more: Any) -> dict[str, Any]:
    """Text properties; names are shown as they are, so `$` starts no formula."""
    return {"fontsize": size, "color": colour, "family": families(), "parse_math": False, **more}


def bare_axes(axes: Axes, title: str = "", grid: bool = False) -> None:
    """The house style: title to the left, no frame but the lower left, a faint grid on request."""
    axes.set_title(title, loc="left", **text_style(11, weight="bold"))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=FAINT, labelsize=9, labelfontfamily=families()[0])
    if grid:
        axes.grid(True, color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
