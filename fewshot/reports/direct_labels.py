"""Names written into a scatter plot beside what they name, none over another."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from fewshot.reports.canvas import text_style
from fewshot.reports.palette import INK

_SHIFTS = (0.0, 1.0, -1.0, 2.0, -2.0)  # in heights of a line


def label_places(
    axes: Axes, places: npt.NDArray[Any], names: Sequence[str], size: float = 8.5
) -> int:
    """Write each name at its place [K, 2] in data units; how many found room.

    The first names come first: one that would cover an earlier one is moved up or down a line or
    two, and left out when there is no room there either.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # fixes the layout, and with it where data lie in pixels
    outline = [withStroke(linewidth=3, foreground="white")]
    taken: list[Bbox] = []
    for (x, y), name in zip(axes.transData.transform(places).tolist(), names, strict=True):
        style = text_style(size, INK, ha="center", va="center", path_effects=outline)
        text = axes.text(0, 0, name, transform=None, **style)
        for shift in _SHIFTS:
            text.set_position((x, y + shift * size * 1.6))
            box = text.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                taken.append(box)
                # Relative to the axes the place also holds at another resolution.
                x, y = axes.transAxes.inverted().transform(text.get_position()).tolist()
                text.set_position((x, y))
                text.set_transform(axes.transAxes)
                break
        else:
            text.remove()
    return len(taken)
