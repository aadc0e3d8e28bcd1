"""Photos decoded by threads a little ahead of the model, so that memory holds a few batches."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice

from fewshot.data.images.decode import Failure, ImageFormat, UInt8Array, decode_each
from fewshot.models.prediction.photos import Photo
from fewshot.processes import usable_processors

BATCH = 64
_PIXELS = 64 * 256 * 256  # of a batch at most


@dataclass(frozen=True)
class Decoded:
    """Photos, their images uint8 [n, C, H, W], and {position: why it could not be read}."""

    photos: Sequence[Photo]
    images: UInt8Array
    failures: Mapping[int, Failure]


def decoded(photos: Iterable[Photo], wanted: ImageFormat) -> Iterator[Decoded]:
    """The photos in order, batch by batch; no exception of a broken one is raised."""
    threads, batch = usable_processors(), batch_size(wanted)
    waiting: deque[Future[Decoded]] = deque()
    left = iter(photos)
    executor = ThreadPoolExecutor(threads, "decode")
    try:
        while True:
            while len(waiting) <= threads and (some := list(islice(left, batch))):
                waiting.append(executor.submit(_decode, some, wanted))
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)  # an interruption does not wait for the rest


def batch_size(wanted: ImageFormat) -> int:
    """How many photos make a batch."""
    return max(1, min(BATCH, _PIXELS // (wanted.size[0] * wanted.size[1])))


def _decode(photos: Sequence[Photo], wanted: ImageFormat) -> Decoded:
    images, failures = decode_each([partial(photo.read, wanted) for photo in photos], wanted)
    return Decoded(photos, images, failures)
