"""Images that are the rows of one array."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
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
            ids = ids_path.read_text("utf-8-sig").splitlines()
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
        named = all_compared(ids)
        self._rows = dict(zip(named, range(len(named)), strict=True))
        if len(self._rows) != len(ids):
            twice = [image_id for image_id, count in Counter(named).items() if count > 1]
            raise UserError(
                f"{ids_path} names {first_few(twice)} more than once: each image needs its own id."
            )

    def find(self, ids: Iterable[str]) -> dict[str, str]:
        """Stamps from the array's file and the row."""
        file = file_stamp("images.npy", (self.root_dir / "images.npy").stat())
        ids = list(ids)
        rows = map(self._rows.get, ids)
        return {i: f"{file} {row}" for i, row in zip(ids, rows, strict=True) if row is not None}

    def place(self, image_id: str) -> str:
        """The id list that lacks it, or the row."""
        row = self._rows.get(image_id)
        return f"{self.root_dir}/images" + ("_ids.txt" if row is None else f".npy, row {row}")

    def decode(
        self, ids: Sequence[str], wanted: ImageFormat
    ) -> tuple[UInt8Array, dict[int, Failure]]:
        """Gather the rows; one assignment where size and colours fit."""
        picked = self._images[[self._rows[image_id] for image_id in ids]]
        if picked.shape[1:3] == wanted.size and picked.shape[3] in (1, wanted.channels):
            shape = (len(ids), *wanted.shape)
            channels_first = np.broadcast_to(picked.transpose(0, 3, 1, 2), shape)
            return np.require(channels_first, requirements=["C", "W"]), {}
        pictures = [_from_array(pixels) for pixels in picked]
        return decode_each([partial(convert, p, wanted) for p in pictures], wanted)

    def picture(self, image_id: str) -> Image.Image:
        """The row."""
        return _from_array(self._images[self._rows[image_id]]).convert("RGB")


def _from_array(pixels: UInt8Array) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
