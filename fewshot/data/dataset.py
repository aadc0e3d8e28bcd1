"""A CSV and an image folder as packed images with labels."""

import copy
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gin
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from fewshot.batch import IntArray
from fewshot.data.images.decode import image_format
from fewshot.data.images.packed import Storage, open_pixels
from fewshot.data.images.store import ImageStore, open_store
from fewshot.data.statistics import channel_covariance, channel_statistics
from fewshot.data.tables.columns import relabelled, text_of
from fewshot.data.tables.table import digest, read_table
from fewshot.errors import UserError
from fewshot.wording import first_few

logger = logging.getLogger("fewshot")

LISTED = 10
MOST_SKIPPED = 0.9  # beyond this the CSV and the images do not belong together


@gin.register
class FashionDataset:
    """Images and labels of the rows of a CSV, in the CSV's order, out of a pack that is shared.

    csv_file: a path or a list of paths, with a column id and, where there are labels, label_column
    (None: unlabelled). root_dir: holds images/<id>.jpg (.png, .jpeg), images.csv (id, path) or
    images.npy. image_size: (height, width) in pixels, channels: 1 or 3, resize: 'stretch' or 'pad'
    (onto white), of the packed images. cache_dir: where packs live ($FEWSHOT_CACHE or
    ~/.cache/fewshot); Storage.MEMORY: nothing is written, images are decoded when asked for.
    importer: a factory; called with root_dir when a CSV directly inside it does not exist yet.

    ids: str [N]; labels: int64 [N] into class_names, sorted, -1 where a row has none; table: the
    rows kept, without the label column where the CSV has none; skipped: id and reason of those not
    readable; digest: of CSV and pixels; further: what data sets beside this one are opened with.
    Raises UserError for whatever is wrong, and when no image is readable.
    """

    ids: NDArray[Any]
    labels: IntArray
    class_names: tuple[str, ...]

    def __init__(
        self,
        csv_file: str | Path | Sequence[str | Path] | None = None,
        root_dir: str | Path | None = None,
        label_column: str | None = "articleType",
        image_size: tuple[int, int] = (64, 64),
        channels: int = 3,
        resize: str = "stretch",
        cache_dir: str | Path | Storage | None = None,
        importer: Callable[[], Callable[[Path], None]] | None = None,
    ) -> None:
        wanted = image_format(image_size, channels, resize)
        self.image_size, self.channels, self.resize = wanted.size, wanted.channels, wanted.resize
        self.label_column = label_column
        self.in_memory = cache_dir is Storage.MEMORY
        self.further: Mapping[str, Any] = {"cache_dir": Storage.MEMORY} if self.in_memory else {}
        self.csv_files = _paths(csv_file)
        self.root_dir = Path(_bound(root_dir, "root_dir")).expanduser().absolute()
        _import_missing(self.csv_files, self.root_dir, importer, self.in_memory)
        table = read_table(self.csv_files, label_column)
        store = open_store(self.root_dir)
        stamps = store.find(table["id"].tolist())
        readable, self._pixels, broken = open_pixels(store, stamps, wanted, cache_dir)
        self.skipped = _unreadable(table, stamps, broken)
        self._report_skipped(table, store)
        kept = slice(None) if self.skipped.empty else ~table["id"].isin(self.skipped["id"])
        self.table = table[kept].reset_index(drop=True)
        self._positions = np.arange(len(readable), dtype=np.int64)
        self._digests = self._pixels.digests(self._positions)
        self.ids = self.table["id"].to_numpy(dtype=str)
        self.class_names, self.labels = _labels(self.table, label_column)
        facts = f"{digest(self.csv_files)} {label_column} {wanted} {self._pixels.digest}"
        self.digest = hashlib.sha256(facts.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._positions)

    def images(self, rows: IntArray | Sequence[int]) -> Tensor:
        """uint8 [len(rows), C, H, W], in the order of the rows."""
        return self._pixels.gather(self._positions[np.asarray(rows, dtype=np.int64)])

    def image_digests(self) -> IntArray:
        """int64 [rows], 64 bits of a hash of the pixels; equal for others at odds of 1 to 4e9."""
        return self._digests[self._positions]

    def column(self, name: str) -> NDArray[np.object_]:
        """What another column says, a string a row, '' where blank; UserError where it is none."""
        return text_of(self.table, name, self.csv_files)

    def subset(self, rows: IntArray | Sequence[int]) -> "FashionDataset":
        """The given rows, in that order, with the same class names; shares the pixels."""
        kept = np.asarray(rows, dtype=np.int64)
        view = copy.copy(self)
        view._positions = self._positions[kept]
        view.ids, view.labels = self.ids[kept], self.labels[kept]
        view.table = self.table.iloc[kept].reset_index(drop=True)
        return view

    def with_classes(self, names: Sequence[str]) -> "FashionDataset":
        """The same rows labelled by the given names, -1 where the label is not among them."""
        view = copy.copy(self)
        relabelled_rows = relabelled(self.labels, self.class_names, names)
        view.class_names, view.labels = tuple(names), relabelled_rows
        return view

    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(mean, std) of each channel in [0, 1], over at most 10,000 evenly spaced rows."""
        return channel_statistics(self.images, len(self), self._pixels.affordable)

    def covariance(self) -> tuple[tuple[float, ...], ...]:
        """Covariance [C][C] of the channels in [0, 1], over the rows of `statistics`."""
        return channel_covariance(self.images, len(self), self._pixels.affordable)

    def _report_skipped(self, table: pd.DataFrame, store: ImageStore) -> None:
        names = ", ".join(str(path) for path in self.csv_files)
        unreadable = self.skipped
        if len(unreadable) > MOST_SKIPPED * len(table):
            found = len(table) - len(unreadable) or "none"
            tried = [f"{store.place(i)} ({why})" for i, why in unreadable.head(3).to_numpy()]
            raise UserError(
                f"{names}: {found} of the {len(table)} rows has a readable image under "
                f"FashionDataset.root_dir {self.root_dir}.\nTried first: {', '.join(tried)}.\n"
                f"Bind the root_dir that belongs to this CSV, or the CSV that belongs to that "
                f"folder (for the test split: test/FashionDataset.csv_file)."
            )
        if len(unreadable):
            named = [f"{i} ({why})" for i, why in unreadable.to_numpy()]
            logger.warning(
                "%s: skipped %d of %d rows, whose images are missing or unreadable: ids %s",
                names,
                len(named),
                len(table),
                first_few(named, LISTED),
            )


def _bound(value: Any, name: str) -> Any:
    if value is None or value == "":
        raise UserError(
            f"FashionDataset.{name} is not bound: bind it, "
            f"e.g. FashionDataset.{name} = '/path/to/{'train.csv' if 'csv' in name else 'data'}'."
        )
    return value


def _paths(csv_file: str | Path | Sequence[str | Path] | None) -> list[Path]:
    given = _bound(csv_file, "csv_file")
    listed = [given] if isinstance(given, str | Path) else list(given)
    return [Path(_bound(path, "csv_file")).expanduser().absolute() for path in listed]


def _import_missing(
    csv_files: Sequence[Path], root_dir: Path, importer: Callable[[], Any] | None, in_memory: bool
) -> None:
    """Let the importer make root_dir when one of its CSV files is not there yet."""
    missing = [path for path in csv_files if path.parent == root_dir and not path.exists()]
    if importer is None or not missing:
        return
    if in_memory:
        raise UserError(
            f"{missing[0]} does not exist, and a dry run imports nothing: run once without "
            f"--dry-run, or import it with python -m fewshot.data.importers."
        )
    importer()(root_dir)


def _unreadable(
    table: pd.DataFrame, stamps: Mapping[str, str], broken: Mapping[str, str]
) -> pd.DataFrame:
    ids = table["id"].tolist() if broken or len(stamps) < len(table) else ()
    reasons = [
        (image_id, broken.get(image_id, "no image"))
        for image_id in ids
        if image_id not in stamps or image_id in broken
    ]
    return pd.DataFrame(reasons, columns=["id", "reason"], dtype=str)


def _labels(table: pd.DataFrame, label_column: str | None) -> tuple[tuple[str, ...], IntArray]:
    if label_column is None or label_column not in table.columns:
        return (), np.full(len(table), -1, dtype=np.int64)
    labels = table[label_column].tolist()
    names = sorted({*labels} - {""})
    index = {"": -1} | {name: number for number, name in enumerate(names)}
    return tuple(names), np.fromiter(map(index.__getitem__, labels), np.int64, len(labels))
