"""The files of a pack: segments that are whole or not there, and the index that names them."""

import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from fewshot.data.images.decode import UInt8Array
from fewshot.data.images.joined import Segment, digest_numbers, pixel_digest
from fewshot.experiment.files import write_atomically

logger = logging.getLogger("fewshot")

VERSION = 1
INDEX = "index.json"
_NAME = re.compile(r"segment-[0-9a-f]{12}")


@dataclass
class Index:
    """The names of a pack's segments, oldest first, and {id: (stamp, reason)} of what is broken.

    rebuilt: whether it had to be made up from the segments that are there.
    """

    segments: list[str] = field(default_factory=list)
    unreadable: dict[str, tuple[str, str]] = field(default_factory=dict)
    rebuilt: bool = False


def read_index(directory: Path) -> Index:
    """The index; empty where there is none, or one of another version, rebuilt if damaged."""
    try:
        stored = json.loads((directory / INDEX).read_text("utf-8"))
        if type(stored["version"]) is int and stored["version"] != VERSION:
            return Index()
        broken = {i: (stamp, reason) for i, (stamp, reason) in stored["unreadable"].items()}
        _check_texts(*broken.values())
        if not all(_NAME.fullmatch(name) for name in stored["segments"]) or (
            stored["version"] != VERSION
        ):
            raise ValueError("no names of segments")
        return Index(list(stored["segments"]), broken)
    except OSError:  # not there yet; where it may not be read, writing will fail and say so
        return Index()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        found = sorted(directory.glob("segment-*.json"), key=lambda path: path.stat().st_mtime_ns)
        names = [path.stem for path in found if _NAME.fullmatch(path.stem)]
        logger.warning(
            "%s is damaged: made anew from the %d segments beside it", directory / INDEX, len(names)
        )
        return Index(names, rebuilt=True)


def write_index(directory: Path, index: Index) -> None:
    """Replace the index; from here on the segments it names count."""
    stored = {"version": VERSION, "segments": index.segments, "unreadable": index.unreadable}
    text = json.dumps(stored, indent=1)
    write_atomically(directory / INDEX, lambda part: part.write_text(text, encoding="utf-8"))


def read_segment(directory: Path, name: str, shape: tuple[int, int, int]) -> Segment | None:
    """The segment, or None where its files are missing, of the wrong size or not what was written.

    Of the pixels only the size is looked at; see `Segment.damaged`.
    """
    try:
        stored = json.loads((directory / f"{name}.json").read_text("utf-8"))
        ids, stamps, digests = facts = stored["ids"], stored["stamps"], stored["digests"]
        _check_texts(*facts)
        if "check" in stored and stored["check"] != _check(facts):  # older versions noted none
            raise ValueError("not what was written")
        stamps = [stamps] * len(ids) if isinstance(stamps, str) else stamps
        numbers = digest_numbers(digests)
        if not isinstance(ids, list) or not len(ids) == len(stamps) == len(numbers):
            raise ValueError("lists of different lengths")
        pixels = directory / f"{name}.u8"
        if pixels.stat().st_size != len(ids) * int(np.prod(shape)):
            raise ValueError("wrong size")
        images = np.asarray(np.memmap(pixels, np.uint8, "r", shape=(len(ids), *shape)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        logger.warning("packed images %s/%s are damaged: decoded again", directory, name)
        return None
    return Segment(name, ids, stamps, numbers, images, np.zeros(len(images), np.bool_))


def _check_texts(*lists: str | Sequence[object]) -> None:
    if any({*map(type, texts)} - {str} for texts in lists if not isinstance(texts, str)):
        raise ValueError("not all text")


def _check(facts: Iterable[str | Sequence[str]]) -> str:
    """A digest of a segment's ids, stamps and digests."""
    text = "\0".join(fact if isinstance(fact, str) else "\0".join(fact) for fact in facts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def leftovers(directory: Path, index: Index) -> list[Path]:
    """What an interrupted writer left, and segments that no index names any more."""
    kept = {f"{name}{suffix}" for name in index.segments for suffix in (".u8", ".json")}
    found = [*directory.glob("segment-*"), *directory.glob(".*.part*"), *directory.glob("*.tmp")]
    return [path for path in found if path.name not in kept]


def remove_unnamed(directory: Path, index: Index) -> None:
    """Delete the leftovers; only for who holds the lock."""
    for path in leftovers(directory, index):
        path.unlink(missing_ok=True)


class SegmentWriter:
    """Writes one segment: append chunks, then commit; without a commit nothing is left behind."""

    def __init__(self, directory: Path) -> None:
        self.name = f"segment-{secrets.token_hex(6)}"
        self._pixels = directory / f"{self.name}.u8"
        self._facts: dict[str, list[str]] = {"ids": [], "stamps": [], "digests": []}
        self._file: IO[bytes] = self._temporary.open("xb")

    @property
    def _temporary(self) -> Path:
        return self._pixels.with_suffix(".tmp")

    def __enter__(self) -> "SegmentWriter":
        return self

    def __exit__(self, *exception: Any) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def append(self, ids: Sequence[str], stamps: Sequence[str], images: UInt8Array) -> None:
        """Add images uint8 [n, C, H, W]."""
        self._facts["ids"] += ids
        self._facts["stamps"] += stamps
        contiguous = np.ascontiguousarray(images)
        for image in contiguous:
            self._facts["digests"].append(pixel_digest(image))
        self._file.write(contiguous.data)

    def commit(self) -> str | None:
        """Put both files in place and give the segment's name; None when there was no image."""
        if not self._facts["ids"]:
            return None
        _flush_to_disk(self._file)
        self._file.close()
        self._temporary.replace(self._pixels)
        stamps, digests = self._facts["stamps"], "".join(self._facts["digests"])
        # a million equal stamps are read as a million texts, one as one
        stamp = stamps[0] if len({*stamps}) == 1 else stamps
        facts = {"ids": self._facts["ids"], "stamps": stamp, "digests": digests}
        text = json.dumps(facts | {"check": _check(facts.values())})
        write_atomically(self._pixels.with_suffix(".json"), lambda part: part.write_text(text))
        return self.name


def _flush_to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
