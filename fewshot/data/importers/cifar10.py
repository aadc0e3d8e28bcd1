"""CIFAR-10, from its python or its binary version."""

from collections.abc import Sequence
from pathlib import Path

import gin
import numpy as np

from fewshot.data.images.decode import UInt8Array
from fewshot.data.importers.cifar_files import read_binary, read_names, read_python
from fewshot.data.importers.root import ImportNote, make_root
from fewshot.data.importers.writing import (
    checked_source,
    write_array,
    write_styles,
)
from fewshot.errors import UserError

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")
TEST_BATCH = "test_batch"


@gin.register
class Cifar10:
    """Imports CIFAR-10 (https://www.cs.toronto.edu/~kriz/cifar.html): 60,000 colour 32x32 images.

    source: the unpacked folder with data_batch_1 to 5 and test_batch (or the same with .bin), or
    the folder that holds cifar-10-batches-py or cifar-10-batches-bin. Ids are the places in this
    order: 0 to 49999 training, 50000 to 59999 test images. top: as create_splits.
    """

    def __init__(self, source: str | Path | None = None, top: int = 5) -> None:
        self.source = source
        self.top = top

    def __call__(self, root_dir: str | Path) -> None:
        """Make root_dir; raises UserError when a file is missing or not what it should be."""
        source = checked_source(self.source, "Cifar10", "data_batch_1 to 5 and test_batch")
        note = ImportNote("Cifar10", source, {"top": self.top})
        make_root(root_dir, note, lambda folder: self._write(folder, source))

    def _write(self, folder: Path, source: Path) -> None:
        place, suffix = _locate(source)
        read = read_binary if suffix else read_python
        batches = [read(place / f"{name}{suffix}") for name in (*BATCHES, TEST_BATCH)]
        names = _class_names(place, suffix)
        rows = [len(labels) for _, labels in batches]
        numbers = [label for _, labels in batches for label in labels]
        wrong = next((n for n in numbers if not 0 <= n < len(names)), None)
        if wrong is not None:
            raise UserError(f"{place}: label {wrong} has no name among the {len(names)} classes.")
        ids = [str(row) for row in range(len(numbers))]
        parts = ["train"] * sum(rows[:-1]) + ["test"] * rows[-1]
        write_array(folder, ids, to_images(np.concatenate([pixels for pixels, _ in batches])))
        write_styles(folder, ids, [names[number] for number in numbers], parts, self.top)


def to_images(pixels: UInt8Array) -> UInt8Array:
    """[N, 3072], the red plane first, then green and blue -> [N, 32, 32, 3]."""
    return np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _locate(source: Path) -> tuple[Path, str]:
    """The folder of the batches and their suffix; a missing batch is named."""
    places = (source, source / "cifar-10-batches-py", source / "cifar-10-batches-bin")
    for place in places:
        for suffix in ("", ".bin"):
            names = [f"{name}{suffix}" for name in (*BATCHES, TEST_BATCH)]
            missing = [name for name in names if not (place / name).is_file()]
            if not missing:
                return place, suffix
            if len(missing) < len(names):
                raise UserError(
                    f"{place} has no {', '.join(missing)}: unpack the archive again; all of "
                    f"{', '.join(names)} are needed."
                )
    raise UserError(
        f"Cifar10.source {source} has neither data_batch_1 nor data_batch_1.bin (nor in "
        f"cifar-10-batches-py or -bin): unpack cifar-10-python.tar.gz or "
        f"cifar-10-binary.tar.gz there."
    )


def _class_names(place: Path, suffix: str) -> Sequence[str]:
    if suffix:
        path = place / "batches.meta.txt"
        text = path.read_text("utf-8", errors="replace") if path.is_file() else ""
        names = [line.strip() for line in text.splitlines() if line.strip()]
    else:
        path = place / "batches.meta"
        names = read_names(path) if path.is_file() else []
    if not names:
        raise UserError(f"{path} is missing or names no classes: unpack the archive again.")
    return names
