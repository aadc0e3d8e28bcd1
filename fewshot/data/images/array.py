"""Images that are the rows of one array."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, ValuesView
from functools import cached_property, partial
from itertools import compress, repeat
from pathlib import Path

import numpy as np
from PIL import Image

from fewshot.data.images.decode import (
    Failure,
    ImageFormat,
    UInt8Array,
    convert,
    decode_each,
    file_stamp,
)
from fewshot.data.images.id_places import IdPlaces
from fewshot.data.tables.columns import all_distinct
from fewshot.errors import UserError
from fewshot.wording import all_compared, first_few


class ArrayImages:
    """`<root_dir>/images.npy`, uint8 [N, H, W] or [N, H, W, 1 or 3], with an id a line in
    `<root_dir>/images_ids.txt`.
    """

    def __init__(self, root_dir: Path) -> None:
        self.root_dir = root_dir
        path, ids_path = root_dir / "images.npy", root_dir / "images_ids.txt"
        try:
            array = np.lib.format.open_memmap(path, mode="r")
            text = ids_path.read_bytes()
            ids = text.decode("utf-8-sig").splitlines()
        except Exception as error:  # a damaged header makes numpy raise many kinds
            raise UserError(
                f"{path} and images_ids.txt cannot be read ({error}): write them again, or import "
                f"them anew."
            ) from error
        grey = array[..., None] if array.ndim == 3 else array
        if array.dtype != np.uint8 or grey.ndim != 4 or grey.shape[3] not in (1, 3):
            raise UserError(
                f"{path} holds {array.dtype} {list(array.shape)}: uint8 [N, H, W] or "
                f"[N, H, W, 3] is needed."
            )
        if len(ids) != len(array):
            raise UserError(
                f"{ids_path} has {len(ids)} ids for the {len(array)} images of images.npy: "
                f"one line an image is needed."
            )
        self._images = grey
        self._ids_digest = hashlib.blake2b(text, digest_size=8).hexdigest()
        named = all_compared(ids)
        self._rows = IdPlaces(named)
        if not all_distinct(named):
            twice = [image_id for image_id, count in Counter(named).items() if count > 1]
            raise UserError(
                f"{ids_path} names {first_few(twice)} more than once: each image needs its own id."
            )

    def find(self, ids: Iterable[str]) -> "SharedStamp":
        """The stamp of the array's file, with a digest of the list of ids."""
        file = file_stamp("images.npy", (self.root_dir / "images.npy").stat())
        ids = list(ids)
        here = self._rows.find(ids) >= 0
        found = ids if here.all() else list(compress(ids, here.tolist()))
        return SharedStamp(found, f"{file} {self._ids_digest}")

    def place(self, image_id: str) -> str:
        """The id list that lacks it, or the row."""
        (row,) = self._rows.find([image_id])
        return f"{self.root_dir}/images" + ("_ids.txt" if row < 0 else f".npy, row {row}")

    def decode(
        self, ids: Sequence[str], wanted: ImageFormat
    ) -> tuple[UInt8Array, dict[int, Failure]]:
        """Gather the rows; one assignment where size and colours fit."""
        picked = self._images[self._rows[ids]]
        if picked.shape[1:3] == wanted.size and picked.shape[3] in (1, wanted.channels):
            shape = (len(ids), *wanted.shape)
            channels_first = np.broadcast_to(picked.transpose(0, 3, 1, 2), shape)
            return np.require(channels_first, requirements=["C", "W"]), {}
        pictures = [_from_array(pixels) for pixels in picked]
        return decode_each([partial(convert, p, wanted) for p in pictures], wanted)

    def picture(self, image_id: str) -> Image.Image:
        """The row."""
        (row,) = self._rows[[image_id]]
        return _from_array(self._images[row]).convert("RGB")


class SharedStamp(Mapping[str, str]):
    """{id: freshness stamp} of ids that share one; hashed only when an id is asked for."""

    def __init__(self, ids: Sequence[str], stamp: str) -> None:
        self._ids, self._stamp = ids, stamp

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, image_id: str) -> str:
        return self._hashed[image_id]

    def values(self) -> ValuesView[str]:
        """The stamp, as often as there are ids."""
        return _Repeated(self, self._stamp)

    @cached_property
    def _hashed(self) -> dict[str, str]:
        return dict.fromkeys(self._ids, self._stamp)


class _Repeated(ValuesView[str]):
    def __init__(self, mapping: Mapping[str, str], value: str) -> None:
        super().__init__(mapping)
        self._value = value

    def __iter__(self) -> Iterator[str]:
        return repeat(self._value, len(self))


def _from_array(pixels: UInt8Array) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
