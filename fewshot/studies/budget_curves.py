"""The picture of a label-budget study: accuracy by labels a class, and what it is over scratch."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from fewshot.evaluation.intervals import Values
from fewshot.reports.canvas import bare_axes, new_figure, save_figure, text_style
from fewshot.reports.line_ends import LineEnd, name_ends, room_for
from fewshot.reports.palette import FAINT, INK
from fewshot.studies.budget_lines import BudgetLines, Line
from fewshot.studies.labels_worth import count
from fewshot.studies.paired_differences import TRAINED

# inches: the picture, what is beside, above and below each pair of axes, and the note below all
_WIDTH, _LEFT, _TITLE, _TICKS, _NOTE = 12.4, 0.7, 0.4, 0.62, 0.3
_APART, _ALL_APART = 0.06, 0.36  # of the logarithm of labels, between intervals at one budget
_MOST = 3  # intervals are shown as far as so many times the largest mean
_LETTER = 0.085  # inches, of a budget's name


class _Panel(NamedTuple):
    """What one pair of axes shows: figures, or differences to scratch with their intervals."""

    title: str
    unit: str
    lines: Sequence[Line]
    limits: tuple[float, float]
    differences: bool = False


class _Row(NamedTuple):
    """Panels side by side, of so many columns and of a height in inches."""

    panels: Sequence[_Panel]
    columns: int
    height: float


def draw_curves(found: pd.DataFrame, figure: str, scratch: str, path: Path) -> None:
    """Draw fine-tuning, as figures and as differences to scratch, and below it each head's figures.

    found: a row a run, as `collected` gives it. Every panel of figures has training from scratch as
    the broken line; differences are paired by seed and have their 95 % intervals.
    """
    lines = BudgetLines.read(found, figure, scratch)
    rows = _rows(lines, figure)
    names = room_for([line.name for row in rows for panel in row.panels for line in panel.lines])
    top = height = sum(row.height + _TITLE + _TICKS for row in rows) + _NOTE
    canvas = new_figure(_WIDTH, height, None)
    for row in rows:
        step, bottom = _WIDTH / row.columns, top - _TITLE - row.height
        width = step - _LEFT - names
        for place, panel in enumerate(row.panels):
            left = (place * step + _LEFT) / _WIDTH
            box = (left, bottom / height, width / _WIDTH, row.height / height)
            _draw(canvas.add_axes(box), panel, lines.labels, (width, row.height))
        top = bottom - _TICKS
    canvas.text(_LEFT / _WIDTH, 0.1 / height, _note(found, rows), **text_style(9, FAINT))
    save_figure(canvas, path, dpi=120)


def _rows(lines: BudgetLines, figure: str) -> list[_Row]:
    """Fine-tuning's two panels, then the heads' with one scale for all."""
    unit = f"test {figure}, %"
    tuned, apart = lines.figures(TRAINED), lines.differences()
    panels = [_Panel("fine-tuning", unit, tuned, _limits(tuned))] if tuned else []
    if apart:
        title, points = "fine-tuning: difference to scratch", f"difference in test {figure}, points"
        panels.append(_Panel(title, points, apart, _limits(apart, differences=True), True))
    heads = {head: lines.figures(head) for head in lines.heads}
    limits = _limits([line for several in heads.values() for line in several]) if heads else (0, 1)
    frozen = [
        _Panel(f"{head} on frozen features", unit, several, limits)
        for head, several in heads.items()
    ]
    columns = min(3, max(2, len(heads)))
    parts = [frozen[start : start + columns] for start in range(0, len(frozen), columns)]
    return [_Row(panels, 2, 3.7)] * bool(panels) + [_Row(part, columns, 2.7) for part in parts]


def _known(lines: Sequence[Line]) -> bool:
    """Whether any of the intervals is: of single seeds there are none."""
    return any(np.isfinite(line.halves).any() for line in lines)


def _limits(lines: Sequence[Line], differences: bool = False) -> tuple[float, float]:
    """Of the axis: all means; of differences 0, and intervals where they do not dwarf the means."""
    means = np.concatenate([line.means for line in lines])
    low, high = means.min(), means.max()
    if differences:
        halves = np.nan_to_num(np.concatenate([line.halves for line in lines]))
        most = _MOST * max(abs(low), abs(high))
        low = min(0, max((means - halves).min(), -most))
        high = max(0, min((means + halves).max(), most))
    margin = 0.05 * (high - low) or 1
    return low - margin, high + margin


def _draw(
    axes: Axes, panel: _Panel, labels: "pd.Series[float]", inches: tuple[float, float]
) -> None:
    bare_axes(axes, panel.title, grid=True)
    axes.set_ylabel(panel.unit, **text_style(9, FAINT))
    axes.set_xlabel("labels a class", **text_style(9, FAINT))
    if panel.differences:
        axes.axhline(0, color=INK, linewidth=1.4, linestyle="--")
    ends = []
    intervals = panel.differences and _known(panel.lines)
    step = min(_APART, _ALL_APART / len(panel.lines)) if intervals else 0
    for place, line in enumerate(panel.lines):
        places = line.labels * np.exp(step * (place - (len(panel.lines) - 1) / 2))
        _draw_line(axes, line, places, intervals)
        end = (float(places[-1]), float(line.means[-1]))
        ends.append(LineEnd(*end, line.name, line.colour, line.marker))
    _log_axis(axes, labels, inches[0])
    axes.set_ylim(panel.limits)
    name_ends(axes, ends, inches)


def _draw_line(axes: Axes, line: Line, places: Values, intervals: bool) -> None:
    axes.plot(
        places, line.means, line.style, color=line.colour, marker=line.marker, markersize=4,
        linewidth=1.5, zorder=3,
    )  # fmt: skip
    if intervals:
        low, high = line.means - line.halves, line.means + line.halves
        axes.vlines(places, low, high, color=line.colour, linewidth=1.1, alpha=0.7)


def _log_axis(axes: Axes, labels: "pd.Series[float]", width: float) -> None:
    """Ticks at the budgets, named where there is room: ends first, then powers of ten."""
    axes.set_xscale("log")
    values = sorted(labels)
    low, high = values[0] / 1.3, values[-1] * 1.3
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_minor_locator(NullLocator())
    named: dict[float, tuple[float, float]] = {}
    for value in sorted(values, key=lambda v: (v not in (values[0], values[-1]), np.log10(v) % 1)):
        at = np.log(value / low) / np.log(high / low)
        half = (_LETTER * len(count(value)) + 0.05) / width / 2
        if all(abs(at - other) > half + wide for other, wide in named.values()):
            named[value] = (at, half)
    axes.set_xticklabels([count(value) if value in named else "" for value in values])


def _note(found: pd.DataFrame, rows: Sequence[_Row]) -> str:
    """How the lines are to be read."""
    counts = found.groupby(["method", "way", "budget"])["seed"].nunique()
    least, most = int(counts.min()), int(counts.max())
    seeds = f"n = {most}" if least == most else f"n = {least} to {most}"
    panels = [panel for row in rows for panel in row.panels]
    parts = [f"means over seeds, {seeds}"]
    if any(panel.differences and _known(panel.lines) for panel in panels):
        parts.append("bars: 95 % intervals, paired by seed")
    styles = {line.style for panel in panels for line in panel.lines}
    told = {"--": "scratch, trained on the same labels", ":": "heads on an untrained encoder"}
    named = {"--": "broken", ":": "dotted"}
    parts += [f"{named[style]}: {what}" for style, what in told.items() if style in styles]
    return "; ".join(parts)
