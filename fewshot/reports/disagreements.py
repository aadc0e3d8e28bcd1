"""The images that two runs take for different classes, shown by the thumbnails of either."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot.reports.contents import RunFiles
from fewshot.reports.kept_thumbnails import KeptThumbnails, gathered
from fewshot.reports.paired import pair
from fewshot.sections import Block, Images, Section, Table

_KINDS = 15  # of disagreement that are shown
_IN_A_KIND = 12  # images


def disagreements(
    first: str, first_run: RunFiles, second: str, second_run: RunFiles, folder: Path
) -> list[Section]:
    """A table of which classes, then images; none where the runs share no image or agree on all.

    first, second: what the runs are called. folder: where the JPEG of the images is written.
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
    kept = [KeptThumbnails(first_run), KeptThumbnails(second_run)]
    path = folder / f"{first}_{second}_images.jpg"
    images = _images(frame, list(kinds.index[:_KINDS]), (first, second), kept, path)
    if images:
        sections.append(Section(f"Images where {first} and {second} disagree", images, 51, False))
    return sections


def _images(
    frame: pd.DataFrame,
    kinds: Sequence[Any],
    names: tuple[str, str],
    runs: Sequence[KeptThumbnails],
    path: Path,
) -> list[Block]:
    """A strip for each kind of disagreement of which a run has kept an image."""
    first, second = names
    lines: list[dict[str, str]] = []
    for label, mine, theirs in kinds:
        same = (frame["label"] == label) & (frame[first] == mine) & (frame[second] == theirs)
        ids = frame.loc[same, "id"].tolist()
        shown = [one for one in ids if any(one in run for run in runs)][:_IN_A_KIND]
        heading = f"{label}: {first} says {mine}, {second} says {theirs} ({len(ids):,})"
        lines += [{"row": heading, "id": one, "caption": one, "verdict": ""} for one in shown]
    if not lines:
        return []
    told = pd.DataFrame(lines)
    layout = gathered(runs, told["id"].tolist(), path)
    tiles = pd.array(range(len(told)), dtype="Int64")
    note = f"Of each kind the images of which a run has kept a thumbnail, {_IN_A_KIND} at most."
    return [Images(f"{path.stem}.csv", told.assign(tile=tiles), layout, note)]
