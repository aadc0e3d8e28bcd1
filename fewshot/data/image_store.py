"""Where images come from: a folder of files, a list of files, or one array; all alike to a pack."""

import csv
import os
import stat
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from fewshot.data.decode import Failure, ImageFormat, UInt8Array, convert, decode_each, decode_file
from fewshot.errors import UserError

IMAGE_SUFFIXES = (".jpg", ".png", ".jpeg")


class ImageStore(Protocol):
    """The images of one root_dir, by id."""

    root_dir: Path

    def find(self, ids: Iterable[str]) -> dict[str, str]:
        """{id: freshness stamp} of the ids that have an image; another stamp, other pixels."""
        ...

    def place(self, image_id: str) -> str:
        """Where the image of an id is looked for, for messages."""
        ...

    def decode(
        self, ids: Sequence[str], wanted: ImageFormat
    ) -> tuple[UInt8Array, dict[int, Failure]]:
        """(uint8 [n, C, H, W], {position: reason}) of found ids; safe to call from threads."""
        ...


def open_store(root_dir: Path) -> ImageStore:
    """The store of a root_dir: images/, else images.csv, else images.npy.

    Raises UserError when the folder is missing or has none of the three.
    """
    if not root_dir.is_dir():
        raise UserError(
            f"FashionDataset.root_dir {root_dir} "
            f"{'is not a folder' if root_dir.exists() else 'does not exist'}: "
            f"bind the folder that holds images/<id>.jpg."
        )
    if (root_dir / "images").is_dir():
        return FolderImages(root_dir)
    if (root_dir / "images.csv").is_file():
        return ListedImages(root_dir)
    if (root_dir / "images.npy").is_file():
        return ArrayImages(root_dir)
    raise UserError(
        f"FashionDataset.root_dir {root_dir} has no folder images/: images are expected at "
        f"{root_dir}/images/<id>.jpg (or .png, .jpeg).\nOther layouts are read by an importer: "
        f"python -m fewshot.data.importers --help."
    )


def _stamp(name: str, status: os.stat_result) -> str:
    return f"{name} {status.st_size} {status.st_mtime_ns}"


class FolderImages:
    """`<root_dir>/images/<id>.jpg`, .png or .jpeg, looked for in this order."""

    def __init__(self, root_dir: Path) -> None:
        self.root_dir = root_dir
        self._names: dict[str, str] = {}

    def find(self, ids: Iterable[str]) -> dict[str, str]:
        """Stamps from one pass over the folder; a file not asked for costs no system call."""
        wanted = set(ids)
        found: dict[str, tuple[int, str, str]] = {}
        with os.scandir(self.root_dir / "images") as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122 (44,000 Paths are slow)
                if stem not in wanted or suffix.lower() not in IMAGE_SUFFIXES:
                    continue
                rank = IMAGE_SUFFIXES.index(suffix.lower())
                if entry.is_file() and (stem not in found or rank < found[stem][0]):
                    found[stem] = (rank, entry.name, _stamp(entry.name, entry.stat()))
        self._names.update((stem, name) for stem, (_, name, _) in found.items())
        return {stem: stamp for stem, (_, _, stamp) in found.items()}

    def place(self, image_id: str) -> str:
        """The path of the file, or of the first suffix tried."""
        name = self._names.get(image_id, f"{image_id}{IMAGE_SUFFIXES[0]}")
        return str(self.root_dir / "images" / name)

    def decode(
        self, ids: Sequence[str], wanted: ImageFormat
    ) -> tuple[UInt8Array, dict[int, Failure]]:
        """Read the files that `find` found."""
        folder = self.root_dir / "images"
        paths = [folder / self._names[image_id] for image_id in ids]
        return decode_each([partial(decode_file, path, wanted) for path in paths], wanted)


class ListedImages:
    """`<root_dir>/images.csv` with columns id and path (absolute, or relative to root_dir)."""

    def __init__(self, root_dir: Path) -> None:
        self.root_dir = root_dir
        with (root_dir / "images.csv").open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if not {"id", "path"} <= set(rows.fieldnames or ()):
                raise UserError(f"{root_dir}/images.csv: the columns id and path are needed.")
            self._paths = {row["id"]: root_dir / row["path"] for row in rows}

    def find(self, ids: Iterable[str]) -> dict[str, str]:
        """Stamps of the listed files that exist."""
        found = {}
        for image_id in ids:
            path = self._paths.get(image_id)
            try:
                status = path.stat() if path is not None else None
            except OSError:
                continue
            if status is not None and stat.S_ISREG(status.st_mode):
                found[image_id] = _stamp(str(path), status)
        return found

    def place(self, image_id: str) -> str:
        """The listed path."""
        path = self._paths.get(image_id)
        return str(path) if path else f"{self.root_dir}/images.csv, id {image_id}"

    def decode(
        self, ids: Sequence[str], wanted: ImageFormat
    ) -> tuple[UInt8Array, dict[int, Failure]]:
        """Read the files."""
        readers = [partial(decode_file, self._paths[image_id], wanted) for image_id in ids]
        return decode_each(readers, wanted)


class ArrayImages:
    """`<root_dir>/images.npy`, uint8 [N, H, W] or [N, H, W, 1 or 3], with an id a line in
    `<root_dir>/images_ids.txt`.
    """

    def __init__(self, root_dir: Path) -> None:
        self.root_dir = root_dir
        path, ids_path = root_dir / "images.npy", root_dir / "images_ids.txt"
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            ids = ids_path.read_text("utf-8").splitlines()
        except (OSError, EOFError, ValueError) as error:
            raise UserError(f"{path} and images_ids.txt cannot be read: {error}") from error
        grey = array[..., None] if array.ndim == 3 else array
        if array.dtype != np.uint8 or grey.ndim != 4 or grey.shape[3] not in (1, 3):
            raise UserError(
                f"{path} holds {array.dtype} {list(array.shape)}: uint8 [N, H, W] or "
                f"[N, H, W, 3] is needed."
            )
        if len(ids) != len(array):
            raise UserError(
                f"{ids_path} has {len(ids)} ids for the {len(array)} images of images.npy: "
                f"one line an image is needed."
            )
        self._images = grey
        self._rows = {image_id: row for row, image_id in enumerate(ids)}

    def find(self, ids: Iterable[str]) -> dict[str, str]:
        """Stamps from the array's file and the row."""
        file = _stamp("images.npy", (self.root_dir / "images.npy").stat())
        return {i: f"{file} {self._rows[i]}" for i in ids if i in self._rows}

    def place(self, image_id: str) -> str:
        """The id list that lacks it, or the row."""
        row = self._rows.get(image_id)
        return f"{self.root_dir}/images" + ("_ids.txt" if row is None else f".npy, row {row}")

    def decode(
        self, ids: Sequence[str], wanted: ImageFormat
    ) -> tuple[UInt8Array, dict[int, Failure]]:
        """Gather the rows; one assignment where size and colours fit."""
        picked = self._images[[self._rows[image_id] for image_id in ids]]
        if picked.shape[1:3] == wanted.size and picked.shape[3] in (1, wanted.channels):
            shape = (len(ids), *wanted.shape)
            return np.ascontiguousarray(np.broadcast_to(picked.transpose(0, 3, 1, 2), shape)), {}
        pictures = [Image.fromarray(p[..., 0] if p.shape[2] == 1 else p) for p in picked]
        return decode_each([partial(convert, p, wanted) for p in pictures], wanted)
