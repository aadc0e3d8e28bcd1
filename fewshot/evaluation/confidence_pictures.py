"""The pictures of confidence that have something to show, and a sentence for each that has not."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from fewshot.evaluation.calibration import BINS, Reliability
from fewshot.evaluation.rejection import RiskCoverage
from fewshot.sections import Block, Note, Picture
from fewshot.wording import counted

Artifacts = dict[str, Callable[[Path], None]]

_FEWEST_DRAWN = 20  # answers


def risk_blocks(
    curves: Mapping[str, RiskCoverage], answered: float | None, picture: Picture
) -> tuple[Artifacts, list[Block]]:
    """What is wrong of what is answered, by name; answered: the coverage at the threshold."""
    lines = {}
    for name, curve in curves.items():
        # the share of wrong ones among a handful of answers jumps between 0 and 1
        answered_rows = curve.rows.cumsum()
        drawn = answered_rows >= min(_FEWEST_DRAWN, answered_rows[-1])
        lines[name] = (curve.coverage[drawn], curve.risk[drawn])
    if max(len(coverage) for coverage, _ in lines.values()) < 2:
        return {}, [Note(_without_risk(next(iter(curves.values()))))]

    def draw(path: Path) -> None:
        from fewshot.reports.confidence import risk_coverage_picture  # matplotlib is slow to import

        risk_coverage_picture(lines, answered, path)

    return {picture.name: draw}, [picture]


def reliability_blocks(
    before: Reliability, after: Reliability, picture: Picture
) -> tuple[Artifacts, list[Block]]:
    """Whether confidence says what it means, before and after the temperature."""
    found = {"before temperature scaling": before, "after temperature scaling": after}
    if _alike(before, after):
        found = {"not calibrated": before}
    panels = {
        f"{name}, ECE {one.error:.4f}": (one.right, one.rows)
        for name, one in found.items()
        if (one.rows > 0).sum() > 1
    }
    notes: list[Block] = [
        Note(_one_bar(name, one)) for name, one in found.items() if (one.rows > 0).sum() == 1
    ]
    if not panels:
        return {}, notes

    def draw(path: Path) -> None:
        from fewshot.reports.confidence import reliability_picture

        reliability_picture(panels, path)

    return {picture.name: draw}, [picture, *notes]


def _alike(one: Reliability, other: Reliability) -> bool:
    return np.array_equal(one.rows, other.rows) and one.error == other.error


def _without_risk(curve: RiskCoverage) -> str:
    if len(curve.rows) == 1:
        return (
            "Risk by coverage is not drawn: every answer has the same confidence, so that no "
            "threshold tells them apart."
        )
    return (
        f"Risk by coverage is not drawn for {counted(int(curve.rows.sum()), 'answer')}: of fewer "
        f"than {_FEWEST_DRAWN} the share that is wrong says little."
    )


def _one_bar(name: str, found: Reliability) -> str:
    place = int(found.rows.argmax())
    return (
        f"{name.capitalize()}, all confidences lie between {place / BINS:.3f} and "
        f"{(place + 1) / BINS:.3f}, and {found.right[place]:.4f} of those answers are right: one "
        "bar is not drawn."
    )
