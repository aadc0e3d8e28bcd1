"""Which images a classifier's figures are about: mistakes, confusions and neighbours to look at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.batch import IntArray
from fewshot.evaluation.classification_metrics import Classified
from fewshot.evaluation.confusion_cells import confusion_cells
from fewshot.evaluation.gallery import stratified_rows
from fewshot.evaluation.inference import embed
from fewshot.evaluation.naming import titled
from fewshot.evaluation.thumbnails import Sheet
from fewshot.interfaces import Dataset, Evaluation
from fewshot.sections import Images, Section

_THUMBNAILS = 2400  # in all: a few MB in the page
_MISTAKES, _OF_EACH = 12, 3
_QUERIES, _NEIGHBOURS = 10, 6
_COLUMNS = ("row", "id", "caption", "tile", "verdict")
_SAID = {
    "probability": "The probability is that of the class it was taken for, not calibrated.",
    "score": "The score is the head's own, for k-NN the share of the votes: higher is likelier.",
}

Line = tuple[str, str, str, int | None, str]  # of _COLUMNS


@dataclass(frozen=True)
class Source:
    """Where the images come from, and by what they are alike.

    references: at most so many training rows are searched for the nearest, None for all; cosine:
    whether nearness is that of directions; neighbours: whether some images' nearest are shown.
    """

    objective: Any
    datasets: Mapping[str, Dataset]
    references: int | None = 2000
    cosine: bool = False
    neighbours: bool = False


def pictured(found: Classified, split: str, prefix: str, source: Source) -> Evaluation:
    """The sections that show images of a split, in which row i is row i of `found`."""
    sheet = Sheet(f"{prefix}thumbnails.jpg", source.datasets, _THUMBNAILS)
    search = _Search(source, split)
    mistakes = _mistakes(found, split, sheet, search)
    neighbours = _neighbours(found, split, sheet, search) if source.neighbours else []
    matrix = confusion_cells(found, split, prefix, sheet)  # takes what thumbnails are left
    sections = [Section(titled(prefix, "Confusion matrix"), [matrix], 22, console=False)]
    also = f" {search.note.capitalize()}" if search.note else ""
    told = {
        "Most confident mistakes": (mistakes, f"{_SAID[found.sureness_name]}{also}"),
        "Nearest training images": (neighbours, f"A few images; {search.note}"),
    }
    for title, (lines, note) in told.items():
        if lines:
            name = f"tables/{prefix}{title.lower().replace(' ', '_')}.csv"
            frame = pd.DataFrame(lines, columns=list(_COLUMNS)).astype({"tile": "Int64"})
            block = Images(name, frame, sheet.thumbnails, note)
            sections.append(Section(titled(prefix, title), [block], 25, console=False))
    artifacts: dict[str, Callable[[Path], None]] = {sheet.name: sheet.write}
    return Evaluation({}, artifacts, sections)


class _Search:
    """The nearest training images of a split's."""

    def __init__(self, source: Source, split: str) -> None:
        self.source = source
        self.split = split
        train = source.datasets.get("train")
        has_any = train is not None and split != "train" and bool((train.labels >= 0).any())
        self.train = train if has_any else None
        self._kept: dict[str | None, tuple[IntArray, Tensor]] = {}

    @property
    def note(self) -> str:
        """What was searched."""
        if self.train is None:
            return ""
        labelled = int((self.train.labels >= 0).sum())
        rows = len(stratified_rows(self.train.labels, self.source.references))
        part = "all" if rows == labelled else f"{rows:,} of"
        return f"the nearest are found among {part} {labelled:,} training images."

    def nearest(self, row: int, count: int, of_class: str | None = None) -> IntArray:
        """Training rows (of a class), nearest first; none where there are none."""
        if self.train is None:
            return np.zeros(0, dtype=np.int64)
        rows, references = self._references(self.train, of_class)
        if len(rows) == 0:
            return rows
        dataset = self.source.datasets[self.split]
        query = embed(self.source.objective, dataset, rows=np.array([row]))
        apart = (references - self._placed(query)).square().sum(1)
        order = apart.sort(stable=True).indices[:count].cpu().numpy()
        return np.asarray(rows[order], dtype=np.int64)

    def _references(self, train: Dataset, of_class: str | None) -> tuple[IntArray, Tensor]:
        """The training rows that are searched (of a class), and where they are: no others are
        embedded, of which a few pictures would need thousands.
        """
        if of_class not in self._kept:
            rows = stratified_rows(train.labels, self.source.references)
            if of_class is not None:
                names = np.asarray(train.class_names, dtype=object)[train.labels[rows]]
                rows = rows[names == of_class]
            features = embed(self.source.objective, train, rows=rows) if len(rows) else None
            placed = torch.empty(0) if features is None else self._placed(features)
            self._kept[of_class] = rows, placed
        return self._kept[of_class]

    def _placed(self, features: Tensor) -> Tensor:
        return F.normalize(features, dim=1) if self.source.cosine else features


def _mistakes(found: Classified, split: str, sheet: Sheet, search: _Search) -> list[Line]:
    """The surest ones, beside training images of the true and of the predicted class."""
    wrong = np.flatnonzero(found.known & ~found.top1)
    surest = wrong[np.argsort(-found.sureness[wrong], kind="stable")[:_MISTAKES]]
    lines: list[Line] = []
    for row in surest.tolist():
        true, predicted = _names(found, row)
        sure = f"{found.sureness_name} {found.sureness[row]:.4f}"
        heading = f"{found.ids[row]}: {true}, taken for {predicted} ({sure})"
        lines.append(_query(found, split, row, sheet, heading))
        for name in (true, predicted):
            rows = search.nearest(row, _OF_EACH, name)
            lines += [(heading, *known, "") for known in _known(search, rows, sheet)]
    return lines


def _neighbours(found: Classified, split: str, sheet: Sheet, search: _Search) -> list[Line]:
    """A few images of the split with their nearest training images, right where classes agree."""
    if search.train is None:
        return []
    lines: list[Line] = []
    for row in stratified_rows(found.truth, _QUERIES)[:_QUERIES].tolist():
        true, predicted = _names(found, row)
        heading = f"{found.ids[row]}: {true}" + (
            f", taken for {predicted}" if predicted != true else ""
        )
        lines.append(_query(found, split, row, sheet, heading))
        for image_id, name, tile in _known(search, search.nearest(row, _NEIGHBOURS), sheet):
            verdict = "right" if name == true else "wrong"
            lines.append((heading, image_id, name, tile, verdict))
    return lines


def _names(found: Classified, row: int) -> tuple[str, str]:
    """(true class, predicted class)."""
    return found.classes[found.truth[row]], found.classes[found.best[row, 0]]


def _query(found: Classified, split: str, row: int, sheet: Sheet, heading: str) -> Line:
    (tile,) = sheet.tiles(split, [row])
    verdict = "right" if found.top1[row] else "wrong"
    return (heading, str(found.ids[row]), _names(found, row)[0], tile, verdict)


def _known(search: _Search, rows: IntArray, sheet: Sheet) -> list[tuple[str, str, int | None]]:
    """(id, class, tile) of training rows."""
    if search.train is None:
        return []
    labels = search.train.labels[rows]
    names = [search.train.class_names[label] for label in labels.tolist()]
    ids = search.train.ids[rows].astype(str).tolist()
    return list(zip(ids, names, sheet.tiles("train", rows), strict=True))
