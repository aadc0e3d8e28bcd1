"""Where images come from: a folder of files, a list of files, or one array; all alike to a pack."""

import csv
import os
import stat
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from PIL import Image

from fewshot.data.images.array import ArrayImages
from fewshot.data.images.decode import (
    Failure,
    ImageFormat,
    UInt8Array,
    decode_each,
    decode_file,
    file_stamp,
    read_file,
)
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

    def picture(self, image_id: str) -> Image.Image:
        """The image of a found id in its own size, RGB; raises as `decode.read_file` does."""
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
                    found[stem] = (rank, entry.name, file_stamp(entry.name, entry.stat()))
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

    def picture(self, image_id: str) -> Image.Image:
        """The file that `find` found."""
        return read_file(self.root_dir / "images" / self._names[image_id])


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
                found[image_id] = file_stamp(str(path), status)
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

    def picture(self, image_id: str) -> Image.Image:
        """The listed file."""
        return read_file(self._paths[image_id])
