"""Decoded images on disk, shared by every CSV over one root_dir."""

import fcntl
import logging
import os
import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fewshot.data.images.decode import Failure, ImageFormat, UInt8Array
from fewshot.data.images.segments import (
    Index,
    Segment,
    SegmentWriter,
    read_index,
    read_segment,
    remove_unnamed,
    write_index,
)
from fewshot.data.images.store import ImageStore
from fewshot.errors import UserError
from fewshot.interfaces import IntArray

logger = logging.getLogger("fewshot")

CHUNK = 64  # images decoded by a thread at a time
SEGMENT_BYTES = 1 << 30  # what an interruption can lose at most
MEGABYTE = 1_000_000


class Pack:
    """A growing set of images of one format in memory-mapped segments.

    `add` decodes what is missing or stale; several processes may add at once. A segment counts
    once the index names it, so that a killed writer leaves nothing that is taken for whole.
    """

    def __init__(self, directory: Path, wanted: ImageFormat) -> None:
        self.directory = directory
        self.format = wanted
        self._read()

    def _read(self) -> None:
        self._index = read_index(self.directory)
        found = (read_segment(self.directory, n, self.format.shape) for n in self._index.segments)
        self._segments: list[Segment] = [segment for segment in found if segment is not None]
        self._places: dict[str, tuple[int, int]] = {}
        for number, segment in enumerate(self._segments):  # later segments replace earlier ones
            self._places.update((i, (number, row)) for row, i in enumerate(segment.ids))

    def add(self, store: ImageStore, stamps: Mapping[str, str]) -> dict[str, str]:
        """Pack what is missing or stale -> {id: why it could not be read}.

        stamps: of the wanted ids, from `store.find`. Raises UserError when the pack cannot be
        written or the disk is too full.
        """
        failures: dict[str, Failure] = {}
        if self._missing(stamps):
            try:
                with self._lock():
                    self._read()  # another process may have packed them in the meantime
                    failures = self._append(store, self._missing(stamps), stamps)
            except OSError as error:
                raise UserError(
                    f"packed images cannot be written to {self.directory}: "
                    f"{error.strerror or error}.\nBind another place: "
                    f"FashionDataset.cache_dir = '/path/with/space'."
                ) from error
            self._read()
        broken = {i: reason for i, (_, reason) in self._index.unreadable.items() if i in stamps}
        return broken | {image_id: failure.reason for image_id, failure in failures.items()}

    def _missing(self, stamps: Mapping[str, str]) -> list[str]:
        return [image_id for image_id, stamp in stamps.items() if self._stamp(image_id) != stamp]

    def _stamp(self, image_id: str) -> str | None:
        if image_id in self._index.unreadable:
            return self._index.unreadable[image_id][0]
        number, row = self._places.get(image_id, (-1, -1))
        return None if number < 0 else self._segments[number].stamps[row]

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.info("waiting for another process that packs into %s", self.directory)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield  # closing the file gives the lock back, as does the end of a killed process

    def _append(
        self, store: ImageStore, ids: Sequence[str], stamps: Mapping[str, str]
    ) -> dict[str, Failure]:
        remove_unnamed(self.directory, self._index)
        self._check_space(len(ids))
        failures: dict[str, Failure] = {}
        step = max(1, SEGMENT_BYTES // self.format.nbytes)
        label = f"decoding {store.root_dir.name}"
        with tqdm(total=len(ids), desc=label, unit="image", disable=None) as progress:
            for start in range(0, len(ids), step):
                part = ids[start : start + step]
                chunks = _decode(store, part, self.format)
                with SegmentWriter(self.directory) as writer, closing(chunks):
                    for chunk, images, failed in chunks:
                        good = [k for k in range(len(chunk)) if k not in failed]
                        names = [chunk[k] for k in good]
                        whole = images if not failed else images[good]
                        writer.append(names, [stamps[name] for name in names], whole)
                        failures.update((chunk[k], failure) for k, failure in failed.items())
                        progress.update(len(chunk))
                    self._publish(writer.commit(), part, stamps, failures)
        return failures

    def _publish(
        self,
        name: str | None,
        ids: Iterable[str],
        stamps: Mapping[str, str],
        failures: Mapping[str, Failure],
    ) -> None:
        """Name the new segment in the index, and drop segments it replaced altogether."""
        tried = set(ids)
        broken = {i: known for i, known in self._index.unreadable.items() if i not in tried}
        for image_id, failure in failures.items():
            if failure.lasting:
                broken[image_id] = (stamps[image_id], failure.reason)
        names = [segment.name for segment in self._segments] + ([name] if name else [])
        write_index(self.directory, Index(names, broken))
        self._read()
        live = {number for number, _ in self._places.values()}
        if len(live) < len(self._segments):
            kept = [segment.name for n, segment in enumerate(self._segments) if n in live]
            write_index(self.directory, Index(kept, broken))
            self._read()
            remove_unnamed(self.directory, self._index)

    def _check_space(self, images: int) -> None:
        needed = images * self.format.nbytes
        free = shutil.disk_usage(self.directory).free
        if needed > free:
            raise UserError(
                f"packing {images} images needs {-(-needed // MEGABYTE)} MB, and "
                f"{self.directory} has {free // MEGABYTE} MB free.\nFree some space, or bind "
                f"another place: FashionDataset.cache_dir = '/path/with/space'."
            )

    def places(self, ids: Sequence[str]) -> IntArray:
        """int64 [n, 2], the segment and the row in it of each packed id."""
        return np.array([self._places[i] for i in ids], np.int64).reshape(-1, 2)

    def digests(self, places: IntArray) -> list[str]:
        """A digest of the pixels at each place."""
        return [self._segments[number].digests[row] for number, row in places.tolist()]

    def gather(self, places: IntArray) -> Tensor:
        """Uint8 [n, C, H, W], copied out of the segments."""
        images = torch.empty((len(places), *self.format.shape), dtype=torch.uint8)
        target = images.numpy()
        numbers, rows = places[:, 0], places[:, 1]
        for number in np.unique(numbers):
            source = self._segments[number].images
            where = np.flatnonzero(numbers == number)
            if len(where) == len(places):
                np.take(source, rows, axis=0, out=target, mode="clip")  # clip: no second buffer
            else:
                target[where] = source[rows[where]]
        return images


def _decode(
    store: ImageStore, ids: Sequence[str], wanted: ImageFormat
) -> Generator[tuple[Sequence[str], UInt8Array, dict[int, Failure]]]:
    """(ids, images, failures) of each chunk in order, decoded by as many threads as processors."""
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
    executor = ThreadPoolExecutor(os.cpu_count() or 1, "decode")
    try:
        decoded = executor.map(lambda chunk: store.decode(chunk, wanted), chunks)
        for chunk, (images, failures) in zip(chunks, decoded, strict=True):
            yield chunk, images, failures
    finally:
        executor.shutdown(cancel_futures=True)  # an interruption does not wait for the rest
