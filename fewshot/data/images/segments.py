"""The files of a pack: segments that are whole or not there, and the index that names them."""

import hashlib
import json
import logging
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from fewshot.data.images.decode import UInt8Array

logger = logging.getLogger("fewshot")

VERSION = 1
INDEX = "index.json"


@dataclass(frozen=True)
class Segment:
    """Some images of a pack, written once and never changed.

    ids, stamps, digests: one an image, its id, the freshness stamp of its source and a digest of
    its pixels; images: uint8 [n, C, H, W], memory-mapped.
    """

    name: str
    ids: Sequence[str]
    stamps: Sequence[str]
    digests: Sequence[str]
    images: UInt8Array


@dataclass
class Index:
    """The names of a pack's segments, oldest first, and {id: (stamp, reason)} of what is broken."""

    segments: list[str] = field(default_factory=list)
    unreadable: dict[str, tuple[str, str]] = field(default_factory=dict)


def read_index(directory: Path) -> Index:
    """The index; empty where there is none, or none that this version reads."""
    try:
        stored = json.loads((directory / INDEX).read_text("utf-8"))
        if stored["version"] != VERSION:
            return Index()
        broken = {i: (stamp, reason) for i, (stamp, reason) in stored["unreadable"].items()}
        return Index([str(name) for name in stored["segments"]], broken)
    except OSError:  # not there yet; where it may not be read, writing will fail and say so
        return Index()
    except (ValueError, KeyError, TypeError, AttributeError):
        logger.warning("%s is damaged: the images are packed anew", directory / INDEX)
        return Index()


def write_index(directory: Path, index: Index) -> None:
    """Replace the index; from here on the segments it names count."""
    stored = {"version": VERSION, "segments": index.segments, "unreadable": index.unreadable}
    _write_atomically(directory / INDEX, json.dumps(stored, indent=1).encode())


def read_segment(directory: Path, name: str, shape: tuple[int, int, int]) -> Segment | None:
    """The segment, or None where its files are missing or of the wrong size."""
    try:
        stored = json.loads((directory / f"{name}.json").read_text("utf-8"))
        ids, stamps, digests = stored["ids"], stored["stamps"], stored["digests"]
        pixels = directory / f"{name}.u8"
        if pixels.stat().st_size != len(ids) * int(np.prod(shape)):
            raise ValueError("wrong size")
        images = np.asarray(np.memmap(pixels, np.uint8, "r", shape=(len(ids), *shape)))
    except (OSError, ValueError, KeyError, TypeError):
        logger.warning("packed images %s/%s are damaged: packed anew", directory, name)
        return None
    return Segment(name, ids, stamps, digests, images)


def remove_unnamed(directory: Path, index: Index) -> None:
    """Delete what an interrupted writer left and segments that no index names any more."""
    kept = {f"{name}{suffix}" for name in index.segments for suffix in (".u8", ".json")}
    for path in directory.glob("segment-*"):
        if path.name not in kept:
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
        _write_atomically(self._pixels.with_suffix(".json"), json.dumps(self._facts).encode())
        return self.name


def pixel_digest(image: UInt8Array) -> str:
    """64 bits of a cryptographic hash of a C-contiguous image, as hexadecimal digits."""
    return hashlib.blake2b(image.data, digest_size=8).hexdigest()


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        _flush_to_disk(file)
    temporary.replace(path)


def _flush_to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
