"""Files that are named by class and number, as in Kaggle's Dogs vs. Cats: cat.0.jpg, dog.12.jpg."""

import re
from pathlib import Path

import gin

from fewshot.data.importers.writing import (
    checked_source,
    hold_out_test,
    make_root,
    write_list,
    write_styles,
)
from fewshot.errors import UserError

NAME = re.compile(r"(?P<label>[A-Za-z]\w*)\.(?P<number>\d+)\.(?:jpg|jpeg|png)", re.IGNORECASE)


@gin.register
class CatsVsDogs:
    """Imports `source/cat.0.jpg`, `source/dog.12.jpg`, ... (or the same in source/train/).

    Rows are in the order of the numbers, cat and dog by turns, so that any range of rows holds
    both. Files without a class in their name, as in the unlabelled test folder, are left out.
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
        make_root(root_dir, "CatsVsDogs", source, lambda folder: self._write(folder, source))

    def _write(self, folder: Path, source: Path) -> None:
        inner = source / "train"
        place = inner if inner.is_dir() else source
        named = [(NAME.fullmatch(path.name), path) for path in place.iterdir()]
        found = sorted(
            (int(match["number"]), match["label"], path) for match, path in named if match
        )
        if not found:
            raise UserError(
                f"CatsVsDogs.source {place} has no file named <class>.<number>.jpg, such as "
                f"cat.0.jpg; it holds {len(named)} other files: bind the folder of the "
                f"labelled images."
            )
        paths = [path for _, _, path in found]
        labels = [label for _, label, _ in found]
        ids = [f"{label}.{number}" for number, label, _ in found]
        parts = hold_out_test(ids, labels, ["train"] * len(ids), self.test_fraction, "CatsVsDogs")
        write_list(folder, ids, paths)
        write_styles(folder, ids, labels, parts, self.top)
