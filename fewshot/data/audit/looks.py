"""What an audit remembers of each image: a digest of its pixels, two hashes, a thumbnail."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.batch import IntArray
from fewshot.data.images.decode import UInt8Array
from fewshot.data.images.store import ImageStore
from fewshot.processes import usable_processors
from fewshot.progress import ProgressBar

HashArray = NDArray[np.uint64]

THUMBNAIL = 32  # pixels a side
_CHUNK = 64  # images decoded by a thread at a time
_STEP = 2  # grey levels below which a rise is noise, as on a white background


@dataclass(frozen=True)
class Looks:
    """N images: digests uint64, difference and frequency hashes uint64, thumbnails RGB.

    digests: of size and decoded RGB pixels, equal for images equal in every pixel (odds of a false
    match among 100,000 images: 1 to 4e9); thumbnails: uint8 [N, 32, 32, 3].
    """

    digests: HashArray
    difference_hashes: HashArray
    frequency_hashes: HashArray
    thumbnails: UInt8Array

    def followed_by(self, others: "Looks") -> "Looks":
        """These images, then the others."""
        return Looks(
            np.concatenate([self.digests, others.digests]),
            np.concatenate([self.difference_hashes, others.difference_hashes]),
            np.concatenate([self.frequency_hashes, others.frequency_hashes]),
            np.concatenate([self.thumbnails, others.thumbnails]),
        )

    def take(self, rows: IntArray) -> "Looks":
        """Those of some images, in the order given."""
        return Looks(
            self.digests[rows],
            self.difference_hashes[rows],
            self.frequency_hashes[rows],
            self.thumbnails[rows],
        )


def look(store: ImageStore, ids: Sequence[str]) -> tuple[list[str], Looks]:
    """Decode the images of the ids in parallel: (ids that are readable, their looks)."""
    stamps = store.find(ids)
    found = [image_id for image_id in ids if image_id in stamps]
    chunks = [found[start : start + _CHUNK] for start in range(0, len(found), _CHUNK)]
    seen: list[tuple[str, int, UInt8Array, UInt8Array]] = []
    executor = ThreadPoolExecutor(usable_processors(), "audit")
    try:
        with ProgressBar("looking at images", len(found)) as bar:
            for chunk, part in zip(
                chunks, executor.map(lambda ids: _look_at_each(store, ids), chunks), strict=True
            ):
                seen += part
                bar.update(len(chunk))
    finally:
        executor.shutdown(cancel_futures=True)
    grey = np.array([row[2] for row in seen], np.uint8).reshape(-1, 8, 9)
    thumbnails = np.array([row[3] for row in seen], np.uint8)
    thumbnails = thumbnails.reshape(-1, THUMBNAIL, THUMBNAIL, 3)
    digests = np.array([row[1] for row in seen], np.uint64)
    looks = Looks(digests, difference_hash(grey), frequency_hash(thumbnails.mean(3)), thumbnails)
    return [row[0] for row in seen], looks


def _look_at_each(
    store: ImageStore, ids: Sequence[str]
) -> list[tuple[str, int, UInt8Array, UInt8Array]]:
    """(id, digest, grey 8x9, thumbnail) of the readable images."""
    seen = []
    for image_id in ids:
        try:
            picture = store.picture(image_id)
        except Exception:
            continue  # Pillow raises many kinds; the caller reports which ids are left
        seen.append((image_id, picture_digest(picture), *_small(picture)))
    return seen


def picture_digest(picture: Image.Image) -> int:
    """64 bits of a cryptographic hash of width, height and pixels."""
    digest = hashlib.blake2b(picture.tobytes(), digest_size=8, salt=str(picture.size).encode())
    return int.from_bytes(digest.digest(), "little")


def _small(picture: Image.Image) -> tuple[UInt8Array, UInt8Array]:
    box = Image.Resampling.BOX
    thumbnail = np.asarray(picture.resize((THUMBNAIL, THUMBNAIL), box))
    return np.asarray(picture.convert("L").resize((9, 8), box)), thumbnail


def difference_hash(grey: NDArray[Any]) -> HashArray:
    """Grey [N, 8, 9] -> uint64 [N]: of each pixel, whether the next one to the right is brighter.

    Known as dHash. Rises of up to 2 grey levels, such as compression leaves on a plain background,
    do not count.
    """
    levels = grey.astype(np.int16)
    return _packed(levels[:, :, 1:] > levels[:, :, :-1] + _STEP)


def frequency_hash(grey: NDArray[Any]) -> HashArray:
    """Grey [N, 32, 32] -> uint64 [N]: which low frequencies are above their median.

    Known as pHash: the 8 x 8 lowest terms of the cosine transform, the median without the constant
    one.
    """
    waves = np.arange(8)[:, None] * (np.arange(THUMBNAIL) + 0.5) * np.pi / THUMBNAIL
    basis = np.cos(waves)
    terms = (basis @ grey.astype(np.float64) @ basis.T).reshape(-1, 64)
    return _packed(terms > np.median(terms[:, 1:], axis=1, keepdims=True))


def _packed(bits: NDArray[np.bool_]) -> HashArray:
    return np.packbits(bits.reshape(-1, 64), axis=1).view(np.uint64).reshape(-1)
