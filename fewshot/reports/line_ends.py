"""Names at the ends of lines, moved apart where lines end close together."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from fewshot.reports.canvas import text_style
from fewshot.reports.palette import INK

Values = NDArray[np.float64]

_SIZE = 8.5  # points
_HEIGHT, _LETTER, _LEAD = 1.35 * _SIZE / 72, 0.62 * _SIZE / 72, 0.42  # inches
_LONGEST = 24  # letters


class LineEnd(NamedTuple):
    """Where a line ends, in data, what it is called there, and how it is drawn."""

    x: float
    y: float
    name: str
    colour: str
    marker: str


def room_for(names: Iterable[str]) -> float:
    """How many inches beside the axes the names take."""
    longest = max((len(_shortened(name)) for name in names), default=0)
    return _LEAD + _LETTER * (longest + 1)


def name_ends(axes: Axes, ends: Sequence[LineEnd], inches: tuple[float, float]) -> None:
    """Write each name to the right of the axes, as near to where its line ends as can be.

    inches: the axes' width and height; their limits are to be final. A thin line leads from where
    a line ends to its marker beside its name.
    """
    width, height = inches
    low, high = axes.get_ylim()
    order = sorted(ends, key=lambda end: end.y)
    half = _HEIGHT / height / 2  # of a name, which is to stand beside the axes, not above
    wanted = ((np.array([end.y for end in order]) - low) / (high - low) - half) / (1 - 2 * half)
    places = half + (1 - 2 * half) * spread(wanted, 2 * half / (1 - 2 * half))
    at, beside = axes.transAxes, 1 + (_LEAD - 0.12) / width
    for end, place in zip(order, places, strict=True):
        axes.annotate(
            "", (end.x, end.y), (beside, place), xycoords="data", textcoords=at,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": end.colour, "linewidth": 0.7, "shrinkB": 3},
        )  # fmt: skip
        axes.plot(
            [beside], [place], marker=end.marker, color=end.colour, markersize=4.5, transform=at,
            clip_on=False,
        )  # fmt: skip
        axes.text(
            beside + 0.08 / width, place, _shortened(end.name), transform=at, va="center",
            **text_style(_SIZE, INK),
        )  # fmt: skip


def spread(wanted: Values, gap: float) -> Values:
    """Places in [0, 1], in order and at least a gap apart, nearest in squares to those wanted.

    wanted [N] rises. Where N have no room in [0, 1], the gap is less.
    """
    if len(wanted) < 2:
        return np.clip(wanted, 0, 1)
    steps = min(gap, 1 / (len(wanted) - 1)) * np.arange(len(wanted))
    # what is left after taking the gaps away need only rise
    return np.asarray(np.clip(isotonic_regression(wanted - steps).x, 0, 1 - steps[-1]) + steps)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
