"""A folder for each class, as torchvision's ImageFolder reads it."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import gin

from fewshot.data.importers.writing import (
    checked_source,
    hold_out_test,
    ids_from_paths,
    make_root,
    write_list,
    write_styles,
)
from fewshot.errors import UserError

logger = logging.getLogger("fewshot")

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"))
PARTITIONS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


@gin.register
class ImageFolder:
    """Imports `source/<class>/*.jpg`, or `source/train/<class>/...` beside test/ and val/.

    Images stay where they are and may lie deeper in their class's folder. Without test/, val/ is
    the test split; without either, test_fraction of each class is (drawn by id, so that adding
    files moves few). top: as create_splits; None: half of the classes.
    """

    def __init__(
        self,
        source: str | Path | None = None,
        test_fraction: float = 0.2,
        top: int | None = None,
    ) -> None:
        self.source = source
        self.test_fraction = test_fraction
        self.top = top

    def __call__(self, root_dir: str | Path) -> None:
        """Make root_dir; raises UserError when the source holds no such folders."""
        source = checked_source(self.source, "ImageFolder", "a folder for each class")
        make_root(root_dir, "ImageFolder", source, lambda folder: self._write(folder, source))

    def _write(self, folder: Path, source: Path) -> None:
        found = list(_images(source))
        if not found:
            raise UserError(
                f"ImageFolder.source {source} has no folder with images in it: images are "
                f"expected at {source}/<class>/<name>.jpg."
            )
        paths = [path for path, _, _ in found]
        labels = [label for _, label, _ in found]
        ids = ids_from_paths([path.relative_to(source).as_posix() for path in paths])
        parts = _with_test([part for _, _, part in found])
        if "test" not in parts:
            parts = hold_out_test(ids, labels, parts, self.test_fraction, "ImageFolder")
        write_list(folder, ids, paths)
        write_styles(folder, ids, labels, parts, self.top or max(1, len(set(labels)) // 2))


def _images(source: Path) -> Iterator[tuple[Path, str, str]]:
    """(path, class, partition) of each image, sorted by path."""
    folders = _subfolders(source)
    others = [folder.name for folder in folders if folder.name.lower() not in PARTITIONS]
    if len(others) < len(folders) and others:
        raise UserError(
            f"ImageFolder.source {source} holds folders named as parts of the data beside others: "
            f"{', '.join(others[:5])}. Move those away, or name the folders of classes otherwise."
        )
    nested = bool(folders) and not others
    for outer in folders if nested else [source]:
        part = PARTITIONS[outer.name.lower()] if nested else "train"
        for class_folder in _subfolders(outer):
            files = sorted(p for p in class_folder.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not files:
                logger.warning("%s holds no images: the class is left out", class_folder)
            for path in files:
                yield path, class_folder.name, part


def _subfolders(folder: Path) -> Sequence[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _with_test(parts: list[str]) -> list[str]:
    """The partitions, validation taken for test where there is no test."""
    if "test" in parts or "validation" not in parts:
        return parts
    logger.info("there is no test folder: the validation folder is taken for the test split")
    return ["test" if part == "validation" else part for part in parts]
