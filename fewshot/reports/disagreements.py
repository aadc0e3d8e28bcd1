"""The images that two runs take for different classes, shown by the thumbnails of either."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from fewshot.reports.contents import RunFiles
from fewshot.reports.paired import pair
from fewshot.sections import Block, Images, Matrix, Section, Table, Thumbnails

_KINDS = 15  # of disagreement that are shown
_IN_A_KIND = 12  # images


def disagreements(
    first: str, first_run: RunFiles, second: str, second_run: RunFiles
) -> list[Section]:
    """A table of which classes, then images; none where the runs share no image or agree on all.

    first, second: what the runs are called.
    """
    found = pair(first_run.predictions, second_run.predictions)
    frame = pd.DataFrame(
        {"id": found.ids, "label": found.labels, first: found.first, second: found.second}
    )
    frame = frame[frame[first] != frame[second]]
    if frame.empty:
        return []
    kinds = (
        frame.groupby(["label", first, second]).size().sort_values(ascending=False, kind="stable")
    )
    counted = kinds.head(_KINDS).reset_index(name="images")
    counted = counted.rename(
        columns={"label": "true class", first: f"{first} says", second: f"{second} says"}
    )
    right = frame["label"] == frame[first], frame["label"] == frame[second]
    note = (
        f"They differ on {len(frame):,} of {len(found.ids):,} images: {int(right[0].sum()):,} that "
        f"{first} alone has right, {int(right[1].sum()):,} that {second} alone has right."
    )
    name = f"Where {first} and {second} disagree"
    blocks: list[Block] = [Table(f"{first}_{second}.csv", counted, note)]
    sections = [Section(name, blocks, 50)]
    images = _images(frame, list(kinds.index[:_KINDS]), (first, first_run), (second, second_run))
    if images:
        sections.append(Section(f"Images where {first} and {second} disagree", images, 51, False))
    return sections


def _images(
    frame: pd.DataFrame,
    kinds: Sequence[Any],
    first: tuple[str, RunFiles],
    second: tuple[str, RunFiles],
) -> list[Block]:
    """A block for each run whose thumbnails are used: those of a run that is wrong."""
    lines: dict[str, list[dict[str, Any]]] = {first[0]: [], second[0]: []}
    tiles = {name: _tiles(run) for name, run in (first, second)}
    for label, mine, theirs in kinds:
        same = (frame["label"] == label) & (frame[first[0]] == mine) & (frame[second[0]] == theirs)
        ids = frame.loc[same, "id"].tolist()
        wrong = second[0] if mine == label else first[0]
        known = tiles[wrong][1]
        shown = [one for one in ids if one in known] or ids
        heading = f"{label}: {first[0]} says {mine}, {second[0]} says {theirs} ({len(ids):,})"
        lines[wrong] += [
            {"row": heading, "id": one, "caption": one, "tile": known.get(one), "verdict": ""}
            for one in shown[:_IN_A_KIND]
        ]
    blocks: list[Block] = []
    for name, found in lines.items():
        layout = tiles[name][0]
        if found and layout is not None:
            told = pd.DataFrame(found).astype({"tile": "Int64"})
            blocks.append(Images(f"{name}_images.csv", told, layout))
    return blocks


def _tiles(run: RunFiles) -> tuple[Thumbnails | None, dict[str, int]]:
    """Where the run's thumbnails of test images lie: (file and layout, {id: tile})."""
    for section in run.said or ():
        for block in section.blocks:
            if isinstance(block, Matrix):
                shown = block.shown
                known = shown.frame.dropna(subset="tile")
                name = str((run.folder / shown.thumbnails.name).absolute())
                tiles = dict(zip(known["id"], known["tile"].astype(int), strict=True))
                return replace(shown.thumbnails, name=name), tiles
    return None, {}
