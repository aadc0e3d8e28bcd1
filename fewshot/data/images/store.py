"""Where images come from: a folder of files, a list of files, or one array; all alike to a pack."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from PIL import Image

from fewshot.data.images.array import ArrayImages
from fewshot.data.images.decode import Failure, ImageFormat, UInt8Array
from fewshot.data.images.folder import FolderImages
from fewshot.data.images.listed import ListedImages
from fewshot.errors import UserError


class ImageStore(Protocol):
    """The images of one root_dir, by id."""

    root_dir: Path

    def find(self, ids: Iterable[str]) -> Mapping[str, str]:
        """{id: freshness stamp} of the ids that have an image, in their order; another stamp, other
        pixels.
        """
        ...

    def place(self, image_id: str) -> str:
        """Where the image of an id is looked for, for messages."""
        ...

    def decode(
        self, ids: Sequence[str], wanted: ImageFormat
    ) -> tuple[UInt8Array, dict[int, Failure]]:
        """(uint8 [n, C, H, W], {position: reason}) of found ids; safe to call from threads."""
        ...

    def picture(self, image_id: str) -> Image.Image:
        """The image of a found id in its own size, RGB; raises as `decode.read_file` does."""
        ...


def open_store(root_dir: Path) -> ImageStore:
    """The store of a root_dir: images/, else images.csv, else images.npy.

    Raises UserError when the folder is missing or has none of the three.
    """
    if not root_dir.is_dir():
        raise UserError(
            f"FashionDataset.root_dir {root_dir} "
            f"{'is not a folder' if root_dir.exists() else 'does not exist'}: "
            f"bind the folder that holds images/<id>.jpg."
        )
    if (root_dir / "images").is_dir():
        return FolderImages(root_dir)
    if (root_dir / "images.csv").is_file():
        return ListedImages(root_dir)
    if (root_dir / "images.npy").is_file():
        return ArrayImages(root_dir)
    raise UserError(
        f"FashionDataset.root_dir {root_dir} has no folder images/: images are expected at "
        f"{root_dir}/images/<id>.jpg (or .png, .webp, ...).\n"
        f"Other layouts are read by an importer: python -m fewshot import --help."
    )
