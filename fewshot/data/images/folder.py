"""Images that are the files of one folder."""

import logging
import os
import stat
import unicodedata
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
from fewshot.data.images.photo import SUFFIXES
from fewshot.errors import UserError
from fewshot.wording import first_few

logger = logging.getLogger("fewshot")

_USUAL = SUFFIXES[0]
_ENDINGS = {suffix.removeprefix("."): place for place, suffix in enumerate(SUFFIXES)}


class FolderImages:
    """`<root_dir>/images/<id>.jpg`, or another suffix of photo.SUFFIXES, or the bare id.

    Where several files could be meant, the first of the suffixes counts.
    """

    def __init__(self, root_dir: Path) -> None:
        self.root_dir = root_dir
        self._names: dict[str, str] = {}  # of those that are not <id>.jpg

    def find(self, ids: Iterable[str]) -> dict[str, str]:
        """Stamps from one pass over the folder; a file not asked for costs no system call.

        Raises UserError where the folder cannot be listed.
        """
        folder = self.root_dir / "images"
        try:
            with _opened(folder) as descriptor:
                names, links = _listed(descriptor)
                stamps = self._usual(ids, names, descriptor)
                self._others(stamps, names, descriptor)
        except OSError as error:
            raise UserError(
                f"{folder} cannot be listed ({error.strerror}): make it readable, or "
                f"bind another FashionDataset.root_dir."
            ) from error
        if links:
            used = {self._name(image_id) for image_id, stamp in stamps.items() if stamp is not None}
            _report_links(folder, [f"{folder}/{name}" for name in links if name in used])
        return {image_id: stamp for image_id, stamp in stamps.items() if stamp is not None}

    def _usual(
        self, ids: Iterable[str], names: Container[str], descriptor: int
    ) -> dict[str, str | None]:
        """Stamps of <id>.jpg, as nearly all are called, None where there is no such file."""
        stamps: dict[str, str | None] = {}
        for image_id in ids:
            name = f"{image_id}{_USUAL}"
            there = name in names and image_id.strip(".")
            stamps[image_id] = _stamp(name, descriptor) if there else None
        for image_id in [i for i in self._names if stamps.get(i) is not None]:
            del self._names[image_id]  # of another file that was found before
        return stamps

    def _others(self, stamps: dict[str, str | None], names: Iterable[str], descriptor: int) -> None:
        """Put in the stamps of files by other names, where these count."""
        for name in names:
            if name.endswith(_USUAL) and name.isascii() and name not in stamps:
                continue  # <id>.jpg, which was looked at, or whose id is not asked for
            image_id = _meant(name, stamps)
            if image_id is None or (
                stamps[image_id] is not None
                and _order(self._name(image_id), image_id) <= _order(name, image_id)
            ):
                continue
            stamp = _stamp(name, descriptor)
            if stamp is not None:
                stamps[image_id] = stamp
                self._names[image_id] = name

    def place(self, image_id: str) -> str:
        """The path of the file, or of the first suffix tried."""
        return str(self.root_dir / "images" / self._name(image_id))

    def _name(self, image_id: str) -> str:
        return self._names.get(image_id) or f"{image_id}{_USUAL}"

    def decode(
        self, ids: Sequence[str], wanted: ImageFormat
    ) -> tuple[UInt8Array, dict[int, Failure]]:
        """Read the files that `find` found."""
        folder = self.root_dir / "images"
        paths = [f"{folder}/{self._name(image_id)}" for image_id in ids]
        return decode_each([partial(decode_file, path, wanted) for path in paths], wanted)

    def picture(self, image_id: str) -> Image.Image:
        """The file that `find` found."""
        return read_file(self.root_dir / "images" / self._name(image_id))


def _meant(name: str, wanted: Container[str]) -> str | None:
    """The id that a file of this name belongs to."""
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)  # as ids are: disks keep other forms
    stem = name.removesuffix(_USUAL)
    if stem in wanted and len(stem) < len(name) and stem.strip("."):
        return stem
    stem, _, ending = name.rpartition(".")  # os.path.splitext takes as long as all the rest here
    if stem in wanted and (ending in _ENDINGS or ending.lower() in _ENDINGS) and stem.strip("."):
        return stem
    return name if name in wanted else None


def _order(name: str, image_id: str) -> tuple[int, str]:
    """What is least for the file that counts, of several that could be meant."""
    if unicodedata.normalize("NFC", name) == image_id:
        return len(SUFFIXES), name
    return _ENDINGS[name.rpartition(".")[2].lower()], name


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """Its descriptor: files are looked for from there, not from the root of all folders."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _listed(descriptor: int) -> tuple[set[str], list[str]]:
    """The names in a folder, and those that are links."""
    names, links = set(), []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            names.add(entry.name)
            if entry.is_symlink():
                links.append(entry.name)
    return names, links


def _stamp(name: str, descriptor: int) -> str | None:
    try:
        status = os.stat(name, dir_fd=descriptor)  # an entry's own takes a tenth longer
    except OSError:  # a link that loops or leads below a file, a file that has just gone
        return None
    return file_stamp(name, status) if stat.S_ISREG(status.st_mode) else None


def _report_links(folder: Path, links: Sequence[str]) -> None:
    roots = Roots(folder)
    outside = [link for link in links if not roots.holds(Path(link))]
    if outside:
        logger.info(
            "%s: %d pictures are links that lead out of the folder, and are read there: %s",
            folder,
            len(outside),
            first_few(os.path.realpath(link) for link in outside),
        )
