"""The table of all figures, without what would stand there twice."""

import re
from collections.abc import Mapping
from typing import Any

from fewshot.reports.findings import all_figures, figure_name, flat
from fewshot.reports.shown_tables import Shown

_OF_SEEN = re.compile(r"(.*)seen/(.+)")  # a prefix, and the figure's name
_MEANING = (
    "ceiling is the share of rows whose class the model was trained on, which top-1 cannot exceed; "
    "seen are the same figures over those rows alone."
)
_ALL_SEEN = (
    "Every row is of a class that the model was trained on: ceiling is 1, and the figures over "
    "those rows alone (seen), in results.json, are the same."
)


def shown_figures(results: Mapping[str, Any]) -> Shown | None:
    """Every figure of every split, those of seen classes alone only where some differ from the
    others; None where there is none.
    """
    splits = [flat(value) for value in results.values() if isinstance(value, dict)]
    frame = all_figures(results)
    of_seen = {figure_name(key) for split in splits for key in split if _is_of_seen(key)}
    note = _MEANING if of_seen else ""
    if of_seen and all(map(_is_repeated, splits)):
        frame = frame[~frame["figure"].isin(of_seen)].reset_index(drop=True)
        note = _ALL_SEEN
    return Shown(frame, note) if len(frame) else None


def _is_of_seen(key: str) -> bool:
    return key.endswith("ceiling") or _OF_SEEN.fullmatch(key) is not None


def _is_repeated(figures: Mapping[str, Any]) -> bool:
    """Whether every figure of seen classes is the same as that of all."""
    pairs = [(key, match) for key in figures if (match := _OF_SEEN.fullmatch(key))]
    same = all(figures[key] == figures.get(_beside(match[1], match[2])) for key, match in pairs)
    return same and all(v == 1.0 for key, v in figures.items() if key.endswith("ceiling"))


def _beside(prefix: str, name: str) -> str:
    # an evaluator's prefix stands before every figure but n
    return f"{prefix[: prefix.rfind('/') + 1]}n" if name == "n" else f"{prefix}{name}"
