"""Files that are named by class and number, as in Kaggle's Dogs vs. Cats: cat.0.jpg, dog.12.jpg."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import gin

from fewshot.data.images.walk import Walk, walk_pictures
from fewshot.data.importers.root import ImportNote, make_root
from fewshot.data.importers.writing import (
    checked_source,
    hold_out_test,
    write_list,
    write_styles,
)
from fewshot.errors import UserError
from fewshot.wording import first_few

logger = logging.getLogger("fewshot")

NAME = re.compile(r"(?P<label>[A-Za-z]\w*)\.(?P<number>\d+)", re.IGNORECASE)


@gin.register
class CatsVsDogs:
    """Imports `source/cat.0.jpg`, `source/dog.12.jpg`, ... (or the same in source/train/).

    Rows are in the order of the numbers, cat and dog by turns, so that any range of rows holds
    both. Files without a class in their name, as in the unlabelled test folder, and those in other
    folders are left out and counted.
    test_fraction: of each class, drawn by id. top: as create_splits.
    """

    def __init__(
        self, source: str | Path | None = None, test_fraction: float = 0.2, top: int = 1
    ) -> None:
        self.source = source
        self.test_fraction = test_fraction
        self.top = top

    def __call__(self, root_dir: str | Path) -> None:
        """Make root_dir; raises UserError when no file is named like this."""
        source = checked_source(self.source, "CatsVsDogs", "cat.0.jpg, dog.0.jpg, ...")
        options = {"test_fraction": self.test_fraction, "top": self.top}
        note = ImportNote("CatsVsDogs", source, options)
        make_root(root_dir, note, lambda folder: self._write(folder, source))

    def _write(self, folder: Path, source: Path) -> Sequence[Path]:
        inner = source / "train"
        place = inner if inner.is_dir() else source
        walk = _shallow(place, source)
        named = [(NAME.fullmatch(path.stem), path) for path in walk.files]
        found = sorted(
            (int(match["number"]), match["label"], path) for match, path in named if match
        )
        if not found:
            raise UserError(
                f"CatsVsDogs.source {place} has no file named <class>.<number>.jpg, such as "
                f"cat.0.jpg; it holds {walk.summary()}: bind the folder of the labelled "
                f"images."
            )
        nameless = len(named) - len(found)
        note = f", {nameless} of them without a class in the name" if nameless else ""
        logger.info("%s: %s", place, walk.summary(note))
        paths = [path for _, _, path in found]
        labels = [label for _, label, _ in found]
        ids = [f"{label}.{number}" for number, label, _ in found]
        twice = [name for name, count in Counter(ids).items() if count > 1]
        if twice:
            raise UserError(
                f"{place} has more than one file of the name {first_few(twice)}: remove the others."
            )
        parts = hold_out_test(ids, labels, ["train"] * len(ids), self.test_fraction, "CatsVsDogs")
        folders = write_list(folder, ids, paths, source)
        write_styles(folder, ids, labels, parts, self.top)
        return folders


def _shallow(place: Path, source: Path) -> Walk:
    """The pictures of the folder itself; those below it, and above it in the source, counted."""
    walk = walk_pictures(place)
    below = [path for path in walk.files if path.parent != place]
    beside = [] if place == source else walk_pictures(source, deep=False).files
    walk.files = [path for path in walk.files if path.parent == place]
    for why, files in (("in a subfolder", below), ("beside the train folder", beside)):
        if files:
            walk.left_out[why] += len(files)
    return walk
