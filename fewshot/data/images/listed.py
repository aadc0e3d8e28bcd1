"""Images that a CSV lists."""

import logging
import stat
import unicodedata
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from fewshot.containment import Roots
from fewshot.data.images.decode import (
    Failure,
    ImageFormat,
    UInt8Array,
    decode_each,
    decode_file,
    file_stamp,
    read_file,
)
from fewshot.data.images.vouching import IMPORT_NOTE, imported_folders
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError
from fewshot.wording import first_few

logger = logging.getLogger("fewshot")

_UNLISTED = (
    "Put images.csv into a folder above the pictures, or import them: "
    "python -m fewshot import --help"
)
_OF_ELSEWHERE = (
    "The import that its import.json tells of was not run here, by you: run it again with the same "
    "--source, which takes a moment, if you trust the folder: python -m fewshot import --help"
)


class ListedImages:
    """`<root_dir>/images.csv` with columns id and path.

    Paths are relative to root_dir and stay under it; absolute ones may lead into the folders that
    an importer noted which was run here (see vouching.py). Others are counted and not read.
    """

    def __init__(self, root_dir: Path) -> None:
        self.root_dir = root_dir
        table = read_rows(root_dir / "images.csv")
        if "path" not in table:
            raise UserError(
                f"{root_dir}/images.csv has no column 'path'; its columns are: "
                f"{', '.join(table.columns)}. Name the column of the files so."
            )
        ids = [unicodedata.normalize("NFC", image_id) for image_id in table["id"]]
        self._paths = dict(zip(ids, table["path"].str.strip(), strict=True))
        folders = imported_folders(root_dir)
        self._unknown_import = folders is None and (root_dir / IMPORT_NOTE).exists()
        self._roots = Roots(root_dir, *(folders or ()))

    def find(self, ids: Iterable[str]) -> dict[str, str]:
        """Stamps of the listed files that exist and lie where they may."""
        found, outside = {}, []
        for image_id in ids:
            listed = self._paths.get(image_id)
            if listed is None:
                continue
            path = self._roots.path(listed)
            if path is None:
                outside.append(listed)
                continue
            try:
                status = path.stat()
            except (OSError, ValueError):
                continue
            if stat.S_ISREG(status.st_mode):
                found[image_id] = file_stamp(str(path), status)
        if outside:
            logger.warning(
                "%s/images.csv: %d paths lead out of its folder and are not read: %s. %s",
                self.root_dir,
                len(outside),
                first_few(outside),
                _OF_ELSEWHERE if self._unknown_import else _UNLISTED,
            )
        return found

    def place(self, image_id: str) -> str:
        """The listed path."""
        path = self._paths.get(image_id)
        return str(self._path(image_id)) if path else f"{self.root_dir}/images.csv, id {image_id}"

    def _path(self, image_id: str) -> Path:
        listed: str = self._paths[image_id]
        return self.root_dir / listed

    def decode(
        self, ids: Sequence[str], wanted: ImageFormat
    ) -> tuple[UInt8Array, dict[int, Failure]]:
        """Read the files."""
        readers = [partial(decode_file, self._path(image_id), wanted) for image_id in ids]
        return decode_each(readers, wanted)

    def picture(self, image_id: str) -> Image.Image:
        """The listed file."""
        return read_file(self._path(image_id))
