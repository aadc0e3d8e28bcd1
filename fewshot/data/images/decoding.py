"""Many images decoded at once, where the disk has room for them."""

import logging
import mmap
import shutil
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from fewshot.data.images.decode import Failure, ImageFormat, UInt8Array
from fewshot.data.images.store import ImageStore
from fewshot.data.images.workers import results_in_order
from fewshot.errors import UserError
from fewshot.interrupts import is_interrupt
from fewshot.processes import can_fork, usable_processors

logger = logging.getLogger("fewshot")

CHUNK = 64  # images decoded by a worker at a time
FEW = 2_000  # images for which starting processes does not pay
MEGABYTE = 1_000_000
_AHEAD = 2  # chunks that each worker is given before one of them is asked for

Decoded = tuple[UInt8Array, dict[int, Failure]]


def decode_in_order(
    store: ImageStore, ids: Sequence[str], wanted: ImageFormat, altogether: int | None = None
) -> Generator[tuple[Sequence[str], UInt8Array, dict[int, Failure]]]:
    """(ids, images, failures) of each chunk in order, decoded by as many workers as processors.

    Workers are processes, since of a small photo a third of the time is Python's, for which threads
    wait for each other; threads for few images, where processes cannot be forked, and for the rest
    if one of them is killed. altogether: how many images they are with those of further calls.
    Images are there until the next chunk is asked for.
    """
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
    workers = usable_processors()
    done = 0
    if workers > 1 and (altogether or len(ids)) >= FEW and can_fork():
        try:
            for images, failures in _by_processes(store, chunks, wanted, workers):
                done += 1
                yield chunks[done - 1], images, failures
        except (OSError, RuntimeError) as error:  # no process to be had, or one that was killed
            if is_interrupt(error) or is_interrupt(error.__context__):
                raise KeyboardInterrupt from error
            logger.warning(
                "decoding in processes stopped (%s): threads go on", str(error).partition("\n")[0]
            )
    rest = chunks[done:]
    for chunk, (images, failures) in zip(
        rest, _by_threads(store, rest, wanted, workers), strict=True
    ):
        yield chunk, images, failures


class _Chunks(Dataset[dict[int, Failure]]):
    """Chunks that are decoded into memory which workers share, one after the other into each part.

    Through a pipe, images would be copied four times. room: uint8 [parts, CHUNK, C, H, W].
    """

    def __init__(
        self, store: ImageStore, chunks: Sequence[Sequence[str]], wanted: ImageFormat, parts: int
    ) -> None:
        self.store, self.chunks, self.wanted = store, chunks, wanted
        shape = (parts, CHUNK, *wanted.shape)
        memory = mmap.mmap(-1, parts * CHUNK * wanted.nbytes)  # given back with the last array
        self.room = np.frombuffer(memory, np.uint8).reshape(shape)

    def __len__(self) -> int:
        return len(self.chunks)

    def images(self, number: int) -> UInt8Array:
        """Where the images of a chunk are, until as many chunks later as there are parts."""
        return self.room[number % len(self.room), : len(self.chunks[number])]

    def __getitem__(self, number: int) -> dict[int, Failure]:
        images, failures = self.store.decode(self.chunks[number], self.wanted)
        self.images(number)[...] = images
        return failures


def _by_processes(
    store: ImageStore, chunks: Sequence[Sequence[str]], wanted: ImageFormat, workers: int
) -> Iterator[Decoded]:
    workers = min(workers, len(chunks))
    # A chunk is begun when that so many before it is given: its part is free by then.
    shared = _Chunks(store, chunks, wanted, _AHEAD * workers + 1)
    for number, failures in enumerate(results_in_order(shared, workers, _AHEAD)):
        yield shared.images(number), failures


def _by_threads(
    store: ImageStore, chunks: Sequence[Sequence[str]], wanted: ImageFormat, workers: int
) -> Iterator[Decoded]:
    executor = ThreadPoolExecutor(workers, "decode")
    try:
        yield from executor.map(lambda chunk: store.decode(chunk, wanted), chunks)
    finally:
        executor.shutdown(cancel_futures=True)  # an interruption does not wait for the rest


def check_space(directory: Path, images: int, nbytes: int) -> None:
    """Raises UserError where the disk has no room for so many images of so many bytes each."""
    needed = images * nbytes
    disk = shutil.disk_usage(directory)
    if needed > disk.free and disk.total:  # some network disks say 0 of both
        raise UserError(
            f"packing {images} images needs {-(-needed // MEGABYTE)} MB, and "
            f"{directory} has {disk.free // MEGABYTE} MB free.\nFree some space, or bind "
            f"another place: FashionDataset.cache_dir = '/path/with/space'."
        )
