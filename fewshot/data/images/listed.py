"""Images that a CSV lists."""

import json
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
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError
from fewshot.wording import first_few

logger = logging.getLogger("fewshot")

IMPORT_NOTE = "import.json"  # what an importer notes, among it the folders its images.csv leads to


class ListedImages:
    """`<root_dir>/images.csv` with columns id and path.

    Paths are relative to root_dir and stay under it; absolute ones may lead into the folders that
    an importer noted in import.json. Others are counted and not read.
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
        self._roots = Roots(root_dir, *_imported_from(root_dir))

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
                "%s/images.csv: %d paths lead out of its folder and are not read: %s. Put "
                "images.csv into a folder above the pictures, or import them: "
                "python -m fewshot.data.importers --help",
                self.root_dir,
                len(outside),
                first_few(outside),
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


def _imported_from(root_dir: Path) -> list[Path]:
    """The folders that the importer of root_dir noted; none where there is no such note."""
    try:
        noted = json.loads((root_dir / IMPORT_NOTE).read_text("utf-8"))
        return [Path(folder) for folder in noted.get("folders") or [noted["source"]]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
