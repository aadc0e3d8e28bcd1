"""What leaks from one split CSV to another: ids, images, near images, and conflicting labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fewshot.batch import IntArray
from fewshot.data.audit.looks import Looks
from fewshot.data.audit.pairs import Match, NearRule, exact_matches, near_matches

ImageKey = tuple[int, str]  # the number of a root, and an id in it

SAME_ID, EXACT, NEAR = "id in both", "exact duplicate", "near duplicate"
KINDS = (SAME_ID, EXACT, NEAR)
COLUMNS = (
    *("kind", "file", "id", "label", "other_file", "other_id", "other_label"),
    *("labels_differ", "bits", "distance"),
)


@dataclass(frozen=True)
class Listed:
    """The rows of all CSVs in order: file numbers int64 [N], ids and labels ('' for none).

    roots: of each file, the number of its folder of images; an image is its root and its id.
    """

    names: Sequence[str]
    file: IntArray
    ids: Sequence[str]
    labels: Sequence[str]
    roots: Sequence[int]

    def images(self) -> list[ImageKey]:
        """The image of each row."""
        roots = [self.roots[file] for file in self.file.tolist()]
        return list(zip(roots, self.ids, strict=True))


def find(
    listed: Listed, readable: Sequence[ImageKey], looks: Looks, rule: NearRule, within: bool
) -> pd.DataFrame:
    """A row a finding, columns COLUMNS: an image of a file, and the image of another it matches.

    readable, looks: images that can be read, and these. Rows of each file are matched with those of
    the files before it: by id, by equal pixels (with the first such image), else by near ones (with
    the nearest). Images of equal pixels and unequal labels are found inside a file too; other
    duplicates inside a file only if `within`.
    """
    findings = _Findings(listed)
    findings.add_shared_ids()
    images = listed.images()
    place = {image: row for row, image in enumerate(readable)}
    rows = np.array([n for n, image in enumerate(images) if image in place], dtype=np.int64)
    seen = looks.take(np.array([place[images[row]] for row in rows.tolist()], dtype=np.int64))
    for mine, others in _comparisons(listed.file[rows], len(listed.names)):
        itself = others is None
        reference = None if others is None else seen.take(others)
        exact = exact_matches(seen.take(mine), reference)
        theirs = mine if others is None else others
        findings.add(EXACT, rows[mine], rows[theirs], exact, itself and not within)
        if itself and not within:
            continue
        # An image that has an exact duplicate is not looked at again.
        alone = np.delete(mine, [match.query for match in exact])
        near = near_matches(seen.take(alone), reference, rule)
        findings.add(NEAR, rows[alone], rows[alone if others is None else others], near)
    return findings.table()


def _comparisons(file: IntArray, n_files: int) -> Iterator[tuple[IntArray, IntArray | None]]:
    """Rows of each file with those of the files before it, and (None) with its own."""
    for number in range(n_files):
        mine, before = np.flatnonzero(file == number), np.flatnonzero(file < number)
        if len(mine) and len(before):
            yield mine, before
        if len(mine):
            yield mine, None


class _Findings:
    """The rows of the table, as they are found."""

    def __init__(self, listed: Listed) -> None:
        self._listed = listed
        self._images = listed.images()
        self._rows: list[tuple[object, ...]] = []

    def add_shared_ids(self) -> None:
        """Each id that an earlier file has too."""
        first: dict[ImageKey, int] = {}
        for row, image in enumerate(self._images):
            if image in first:
                self._add(SAME_ID, row, first[image], 0, 0.0)
            first.setdefault(image, row)

    def add(
        self,
        kind: str,
        mine: IntArray,
        theirs: IntArray,
        matches: Sequence[Match],
        conflicts_only: bool = False,
    ) -> None:
        """Matches between listed rows; those of one id are known already."""
        images = self._images
        for match in matches:
            row, other = int(mine[match.query]), int(theirs[match.reference])
            if images[row] != images[other] and (not conflicts_only or self._differ(row, other)):
                self._add(kind, row, other, match.bits, match.distance)

    def _differ(self, row: int, other: int) -> bool:
        """Whether both have a label, and not the same."""
        label, known = self._listed.labels[row], self._listed.labels[other]
        return label != "" and known != "" and label != known

    def _add(self, kind: str, row: int, other: int, bits: int, distance: float) -> None:
        listed = self._listed
        sides = [
            (listed.names[listed.file[side]], listed.ids[side], listed.labels[side])
            for side in (row, other)
        ]
        differ = self._differ(row, other)
        self._rows.append((kind, *sides[0], *sides[1], differ, bits, round(distance, 4)))

    def table(self) -> pd.DataFrame:
        """Sorted by kind, the nearest pairs first."""
        table = pd.DataFrame(self._rows, columns=list(COLUMNS))
        rank = table["kind"].map({kind: number for number, kind in enumerate(KINDS)})
        order = np.lexsort((table["distance"], ~table["labels_differ"].astype(bool), rank))
        return table.iloc[order].reset_index(drop=True)
