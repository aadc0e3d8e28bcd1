"""Many images decoded at once, where the disk has room for them."""

import os
import shutil
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fewshot.data.images.decode import Failure, ImageFormat, UInt8Array
from fewshot.data.images.store import ImageStore
from fewshot.errors import UserError

CHUNK = 64  # images decoded by a thread at a time
MEGABYTE = 1_000_000


def decode_in_threads(
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
