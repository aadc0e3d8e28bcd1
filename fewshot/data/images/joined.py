"""The segments of a pack as one row of images: by id, and by place."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot.batch import IntArray
from fewshot.data.images.decode import UInt8Array
from fewshot.data.images.id_places import IdPlaces


@dataclass(frozen=True)
class Segment:
    """Some images of a pack, written once and never changed.

    ids, stamps: one an image, its id and the freshness stamp of its source; digests: int64 [n], of
    its pixels; images: uint8 [n, C, H, W], memory-mapped; compared: bool [n], which images this
    process has found to be as their digests say.
    """

    name: str
    ids: Sequence[str]
    stamps: Sequence[str]
    digests: IntArray
    images: UInt8Array
    compared: NDArray[np.bool_]

    def damaged(self, rows: IntArray) -> list[int]:
        """Those of the rows whose pixels are not what was packed; each is compared once."""
        fresh = np.unique(rows[~self.compared[rows]])
        digests = digest_numbers([pixel_digest(self.images[row]) for row in fresh])
        same = digests == self.digests[fresh]
        self.compared[fresh[same]] = True
        return list(fresh[~same].tolist())


class JoinedSegments:
    """Segments, oldest first; a later one replaces what an earlier one has under the same id.

    An image's place, int64, counts through all of them. names: of the segments.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self.names = [segment.name for segment in segments]
        ends = np.cumsum([0, *(len(segment.ids) for segment in segments)])
        self._starts: IntArray = ends[:-1]
        self._places = IdPlaces(*(segment.ids for segment in segments))
        self._stamps = list(chain.from_iterable(segment.stamps for segment in segments))

    def missing(self, stamps: Mapping[str, str]) -> list[str]:
        """The ids of which there is no image from a source of this freshness stamp."""
        ids, wanted = list(stamps), list(stamps.values())
        places = self._places.find(ids)
        if wanted == self._stamps and np.array_equal(places, np.arange(len(ids))):
            return []
        packed = np.array([*self._stamps, None], dtype=object)  # the last: of what is not here
        stale = np.flatnonzero(packed[places] != np.array(wanted, dtype=object))
        return [ids[place] for place in stale.tolist()]

    def places(self, ids: Sequence[str]) -> IntArray:
        """int64 [n], the places of the ids, all of which must be here."""
        return self._places[ids]

    def live(self) -> list[str]:
        """The names of the segments of which not every image has been replaced."""
        return [segment.name for segment, _, _ in self._parts(self._places.counting())]

    def damaged(self, places: IntArray) -> list[str]:
        """The ids at those places whose pixels are not what was packed; each is compared once."""
        return [
            segment.ids[row]
            for segment, _, rows in self._parts(places)
            for row in segment.damaged(rows)
        ]

    def digests(self, places: IntArray) -> IntArray:
        """int64 [n], a digest of the pixels at each place."""
        found = np.empty(len(places), np.int64)
        for segment, where, rows in self._parts(places):
            found[where] = segment.digests[rows]
        return found

    def gather(self, places: IntArray, shape: tuple[int, int, int]) -> Tensor:
        """Uint8 [n, C, H, W], copied out of the segments."""
        images = torch.empty((len(places), *shape), dtype=torch.uint8)
        target = images.numpy()
        for segment, where, rows in self._parts(places):
            if len(where) == len(places):
                # clip: no second buffer
                np.take(segment.images, rows, axis=0, out=target, mode="clip")
            else:
                target[where] = segment.images[rows]
        return images

    def _parts(self, places: IntArray) -> Iterator[tuple[Segment, IntArray, IntArray]]:
        """Each segment that holds some of the places, which of them, and their rows in it."""
        numbers = np.searchsorted(self._starts, places, side="right") - 1
        for number in np.unique(numbers).tolist():
            where = np.flatnonzero(numbers == number)
            yield self._segments[number], where, places[where] - self._starts[number]


def pixel_digest(image: UInt8Array) -> str:
    """64 bits of a cryptographic hash of a C-contiguous image, as hexadecimal digits."""
    return hashlib.blake2b(image.data, digest_size=8).hexdigest()


def digest_numbers(digests: str | Sequence[str]) -> IntArray:
    """int64 of hexadecimal digests of 64 bits, or of one text that holds them one after the other.

    Raises ValueError where they are none.
    """
    text = digests if isinstance(digests, str) else "".join(digests)
    return np.frombuffer(bytes.fromhex(text), ">i8").astype(np.int64)


def hexadecimal(numbers: IntArray) -> list[str]:
    """What `digest_numbers` was given."""
    return numbers.astype(">i8").tobytes().hex(" ", 8).split()
