"""The photos that a user names: files, folders, patterns, lists; found one after the other."""

import glob
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.containment import Roots
from fewshot.data.images.decode import ImageFormat, UInt8Array, decode_file
from fewshot.data.images.walk import walk_pictures
from fewshot.errors import UserError
from fewshot.models.digest import digest_of
from fewshot.wording import compared

if TYPE_CHECKING:
    from fewshot.data.images.store import ImageStore


@dataclass(frozen=True)
class Photo:
    """A photo by the name it is shown under; read raises for one that is broken or not there.

    label: what a CSV's label column says of it.
    """

    name: str
    read: Callable[[ImageFormat], UInt8Array]
    label: str = ""


class Photos:
    """Every photo of some places, in their order; to be gone through once.

    A place is a file, a folder (with all below it), a pattern such as `new/*.jpg`, or a CSV with a
    column `path` (relative to root, default its own folder; nothing outside of it is read) or `id`
    (an image of root, laid out as a FashionDataset's). lines: further files and folders, found as
    they are read. label_column: of every CSV, where photos are to have labels. left_out: how often
    something in a folder was no photo, for which reason; total: how many photos there are, None
    where that is not known beforehand. Raises UserError for a CSV that cannot be read, or has no
    such column.
    """

    def __init__(
        self,
        places: Iterable[str | Path],
        root: Path | None = None,
        lines: Iterable[str] | None = None,
        label_column: str | None = None,
    ) -> None:
        self.left_out: Counter[str] = Counter()
        self._lines, self._label_column = lines, label_column
        self._found = [self._of_place(str(place), root) for place in places]
        self.total = None if lines is not None else sum(len(part) for part in self._found)

    @property
    def labels(self) -> set[str]:
        """What CSVs say of their photos."""
        return {label for part in self._found for label in part.labels if label}

    def digest(self) -> str:
        """Of the names and labels of all photos but those of `lines`."""
        return digest_of([[part.items, list(part.labels)] for part in self._found])

    def __iter__(self) -> Iterator[Photo]:
        for part in self._found:
            yield from part
        for line in self._lines or ():
            if line.strip():
                yield from self._of_file(Path(line.strip("\r\n")))

    def _of_place(self, place: str, root: Path | None) -> "_Part":
        path = Path(place).expanduser()
        if path.suffix.lower() == ".csv" and path.is_file():
            return _listed(path, root, self._label_column)
        matched = [] if path.exists() else sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207
        if len(matched) > 1 or (matched and matched[0] != str(path)):
            parts = [self._of_file(Path(match)) for match in matched]
            return _Part([item for part in parts for item in part.items], _file)
        return self._of_file(path)

    def _of_file(self, path: Path) -> "_Part":
        if not path.is_dir():
            return _Part([str(path)], _file)
        walk = walk_pictures(path)
        self.left_out += walk.left_out
        return _Part([str(file) for file in walk.files], _file)


@dataclass(frozen=True)
class _Part:
    """Names, and what makes a photo of one; a name alone takes little memory."""

    items: list[str]
    photo: Callable[[str], Photo]
    labels: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Photo]:
        for item, label in zip_longest(self.items, self.labels, fillvalue=""):
            yield replace(self.photo(item), label=label)


def _file(name: str) -> Photo:
    return Photo(name, partial(decode_file, Path(name)))


def _listed(csv: Path, root: Path | None, label_column: str | None) -> _Part:
    # pandas takes a second
    from fewshot.data.images.store import open_store
    from fewshot.data.tables.table import read_rows
    from fewshot.spreadsheet import restored

    columns = () if label_column is None else (label_column,)
    named_by = dict.fromkeys(columns, "--label-column ('' for none)")
    table = read_rows(csv, columns, id_column=None, named_by=named_by)
    labels = () if label_column is None else table[label_column].tolist()
    if "path" in table:
        roots = Roots(csv.parent if root is None else root)
        paths = table["path"].str.strip().tolist()
        return _Part(paths, lambda name: _contained(roots, name), labels)
    if "id" not in table:
        first = table.columns[0]
        remedy = "Name the column of the photos so."
        if len(table.columns) == 1 and (";" in first or "\t" in first):
            remedy = "Separate the columns by commas, not by semicolons or tabs."
        raise UserError(
            f"'{csv}' has neither a column 'path' nor 'id'; its columns are: "
            f"{', '.join(table.columns)}. {remedy}"
        )
    if root is None:
        raise UserError(
            f"'{csv}' lists ids: say where their images are, --root DIR (it holds images/<id>.jpg)."
        )
    store = open_store(root.expanduser())
    listed = [compared(image_id) for image_id in table["id"]]
    there = store.find({*listed, *map(restored, listed)})
    # a list that a run left, such as predictions.csv, has what may be a formula escaped
    ids = [name if name in there else restored(name) for name in listed]
    return _Part(
        ids, lambda name: Photo(name, partial(_of_store, store, name, name in there)), labels
    )


def _contained(roots: Roots, name: str) -> Photo:
    def read(wanted: ImageFormat) -> UInt8Array:
        path = roots.path(name)
        if path is None:
            raise ValueError(f"leads out of {roots.folders[0]}")
        return decode_file(path, wanted)

    return Photo(name, read)


def _of_store(store: "ImageStore", image_id: str, there: bool, wanted: ImageFormat) -> UInt8Array:
    if not there:
        raise ValueError(f"no image of this id in {store.root_dir}")
    images, failures = store.decode([image_id], wanted)
    if failures:
        raise ValueError(failures[0].reason)
    image: UInt8Array = images[0]
    return image
