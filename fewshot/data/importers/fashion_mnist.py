"""Fashion-MNIST in this project's layout."""

import hashlib
import logging
import tempfile
import zlib
from pathlib import Path

import gin
import numpy as np

from fewshot.data.importers.fashion_mnist_sources import UnavailableError, sources
from fewshot.data.importers.idx_files import parse_idx, read_content
from fewshot.data.importers.root import (
    ImportNote,
    make_root,
)
from fewshot.data.importers.writing import (
    write_array,
    write_styles,
)
from fewshot.errors import UserError

logger = logging.getLogger("fewshot")

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

# Of the unpacked files: the gzip files differ between the places that offer them.
SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


@gin.register
class FashionMNIST:
    """Imports Fashion-MNIST (https://arxiv.org/abs/1708.07747): 70,000 grey 28x28 images.

    Ids 0 to 59999 are the training images (year 2018), 60000 to 69999 the test images (2019). The
    four idx files are looked for in `source`, in Debian's package folder, at torchvision's
    mirror, and in Debian's package fetched with apt-get; their checksums are verified. top: as
    create_splits.
    """

    def __init__(self, source: str | Path | None = None, top: int = 5) -> None:
        self.source = None if source is None else Path(source).expanduser().resolve()
        self.top = top

    def __call__(self, root_dir: str | Path) -> None:
        """Make root_dir; raises UserError when the files cannot be had or written."""
        # Wherever the files come from, they are the same files: the source is not noted.
        make_root(root_dir, ImportNote("FashionMNIST", None, {"top": self.top}), self._write)

    def _write(self, folder: Path) -> None:
        # within the draft, so that what a killed import fetched goes with it
        with tempfile.TemporaryDirectory(prefix=".fetched-", dir=folder) as scratch:
            contents = obtain(self.source, Path(scratch))
        write_fashion_mnist(folder, contents, self.top)


def write_fashion_mnist(folder: Path, contents: dict[str, bytes], top: int) -> None:
    """Write images, ids, styles.csv and the splits from the four unpacked idx files."""
    arrays = {name: parse_idx(content) for name, content in contents.items()}
    train, test = arrays["train-labels-idx1-ubyte"], arrays["t10k-labels-idx1-ubyte"]
    images = [arrays["train-images-idx3-ubyte"], arrays["t10k-images-idx3-ubyte"]]
    ids = [str(number) for number in range(len(train) + len(test))]
    labels = [CLASS_NAMES[label] for label in np.concatenate([train, test]).tolist()]
    write_array(folder, ids, np.concatenate(images))
    write_styles(folder, ids, labels, ["train"] * len(train) + ["test"] * len(test), top)


def obtain(source: Path | None, scratch: Path) -> dict[str, bytes]:
    """The four verified files from the first source that has them, unpacked, by name.

    scratch: an empty folder for what is fetched.
    """
    reasons = []
    for place, fetch in sources(source, scratch):
        logger.info("looking for Fashion-MNIST in %s", place)
        try:
            return _verified(fetch())
        except UnavailableError as error:
            logger.info("not there: %s", error)
            reasons.append(f"{place}: {error}")
    raise UserError(
        "Fashion-MNIST could not be had. Tried:\n  " + "\n  ".join(reasons) + "\n"
        f"Either put {', '.join(f'{name}.gz' for name in SHA256)} into a folder and bind "
        "FashionMNIST.source = '/that/folder', or run 'apt-get install dataset-fashion-mnist', "
        "or try again with a network."
    )


def _verified(folder: Path) -> dict[str, bytes]:
    """The unpacked files; UnavailableError where one is missing, broken or unknown."""
    contents = {}
    for name, expected in SHA256.items():
        try:
            contents[name] = read_content(folder, name)
        except FileNotFoundError:
            raise UnavailableError(f"no {name}.gz in {folder}") from None
        except (OSError, EOFError, zlib.error) as error:
            raise UnavailableError(f"{folder}/{name}.gz cannot be read ({error})") from error
        if hashlib.sha256(contents[name]).hexdigest() != expected:
            raise UnavailableError(f"{folder}/{name} is damaged or other data (wrong checksum)")
    return contents
