"""The pixels of a dataset's rows: out of a pack on disk, or decoded when asked for."""

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from fewshot.batch import IntArray
from fewshot.data.images.cache import cache_root
from fewshot.data.images.decode import ImageFormat
from fewshot.data.images.joined import digest_numbers, hexadecimal
from fewshot.data.images.pack import Pack
from fewshot.data.images.store import ImageStore

logger = logging.getLogger("fewshot")

_AT_ONCE = 10_000  # images


class Storage(Enum):
    """Where decoded images are kept other than in a folder of packs."""

    MEMORY = "memory"


class Pixels(Protocol):
    """Images of one format by position.

    affordable: how many may be read for a statistic; digest: of the pixels, or of their sources.
    """

    affordable: int
    digest: str

    def gather(self, positions: IntArray) -> Tensor:
        """uint8 [len(positions), C, H, W]."""
        ...

    def digests(self, positions: IntArray) -> IntArray:
        """int64, a digest of each image's pixels, or of its source: see the implementations."""
        ...


def pack_directory(cache: Path, root_dir: Path, wanted: ImageFormat) -> Path:
    """The folder of the pack of (root_dir, size, channels, resize rule)."""
    root = root_dir.resolve()
    which = hashlib.blake2b(str(root).encode(), digest_size=6).hexdigest()
    height, width = wanted.size
    return cache / f"{root.name}-{which}-{height}x{width}x{wanted.channels}-{wanted.resize}"


def open_pixels(
    store: ImageStore,
    stamps: Mapping[str, str],
    wanted: ImageFormat,
    cache_dir: str | os.PathLike[str] | Storage | None,
) -> tuple[list[str], Pixels, dict[str, str]]:
    """(readable ids in order, their pixels, {id: reason} of the others); packs what is missing.

    stamps: of the ids that have an image; cache_dir: see cache_root. With Storage.MEMORY nothing is
    decoded or written, and an unreadable image shows only when it is asked for.
    """
    if isinstance(cache_dir, Storage):
        ids = list(stamps)
        return ids, UnpackedPixels(store, ids, list(stamps.values()), wanted), {}
    pack = Pack(pack_directory(cache_root(cache_dir), store.root_dir, wanted), wanted)
    failures = pack.add(store, stamps)
    ids = list(stamps)
    if failures:
        ids = [image_id for image_id in ids if image_id not in failures]
    return ids, PackedPixels(pack, ids, store), failures


class PackedPixels:
    """Rows of a pack; damaged ones are decoded again when they are first asked for."""

    affordable = 10_000

    def __init__(self, pack: Pack, ids: Sequence[str], store: ImageStore) -> None:
        self._pack = pack
        self._ids = ids
        self._store = store
        self._places = pack.places(ids)
        self.digest = _digest(ids, hexadecimal(pack.digests(self._places)))

    def gather(self, positions: IntArray) -> Tensor:
        """uint8 [len(positions), C, H, W], copied from the memory-mapped files."""
        if self._pack.damaged(self._places[positions]):
            # Damage seldom comes alone: all rows are looked at before any is decoded again.
            self._pack.repair(self._store, self._pack.damaged(self._places))
            self._places = self._pack.places(self._ids)
        return self._pack.gather(self._places[positions])

    def digests(self, positions: IntArray) -> IntArray:
        """As they were taken when the images were packed."""
        return self._pack.digests(self._places[positions])


class UnpackedPixels:
    """Images decoded at each call; an unreadable one is black, with one warning."""

    affordable = 256

    def __init__(
        self, store: ImageStore, ids: Sequence[str], stamps: Sequence[str], wanted: ImageFormat
    ) -> None:
        self._store = store
        self._ids = ids
        self._format = wanted
        self._stamps = stamps
        self.digest = _digest(ids, stamps)
        self._told: set[str] = set()

    def gather(self, positions: IntArray) -> Tensor:
        """uint8 [len(positions), C, H, W]."""
        ids = [self._ids[position] for position in positions.tolist()]
        images, failures = self._store.decode(ids, self._format)
        for position, failure in failures.items():
            if ids[position] in self._told:
                continue
            self._told.add(ids[position])
            logger.warning(
                "%s is unreadable and would be skipped: %s",
                self._store.place(ids[position]),
                failure.reason,
            )
        return torch.from_numpy(images)

    def digests(self, positions: IntArray) -> IntArray:
        """Of the sources: nothing is decoded, and every image is taken for another one."""
        sources = (f"{self._ids[i]} {self._stamps[i]}" for i in positions.tolist())
        return digest_numbers(
            [hashlib.blake2b(s.encode(), digest_size=8).hexdigest() for s in sources]
        )


def _digest(ids: Sequence[str], facts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for start in range(0, len(ids), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        lines = "\n".join(map(" ".join, zip(ids[part], facts[part], strict=True)))
        digest.update(f"\n{lines}".encode() if start else lines.encode())
    return digest.hexdigest()
