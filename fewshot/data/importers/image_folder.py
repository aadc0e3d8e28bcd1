"""A folder for each class, as torchvision's ImageFolder reads it."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import gin

from fewshot.data.images.walk import Walk, overlapping, subfolders, walk_pictures
from fewshot.data.importers.root import ImportNote, make_root
from fewshot.data.importers.writing import (
    checked_source,
    hold_out_test,
    ids_from_paths,
    write_list,
    write_styles,
)
from fewshot.errors import UserError

logger = logging.getLogger("fewshot")

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

    Images stay where they are and may lie deeper in their class's folder, or in a linked one, but
    none is read twice; what is hidden or no picture is left out and counted. Without test/, val/ is
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
        options = {"test_fraction": self.test_fraction, "top": self.top}
        note = ImportNote("ImageFolder", source, options)
        make_root(root_dir, note, lambda folder: self._write(folder, source))

    def _write(self, folder: Path, source: Path) -> Sequence[Path]:
        found, walk = _images(source)
        logger.info("%s: %s", source, walk.summary())
        for link in walk.linked:
            logger.info("the linked folder %s was followed to %s", link, link.resolve())
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
        folders = write_list(folder, ids, paths, source)
        write_styles(folder, ids, labels, parts, self.top or max(1, len(set(labels)) // 2))
        return folders


def _images(source: Path) -> tuple[list[tuple[Path, str, str]], Walk]:
    """((path, class, partition) of each image, sorted by path; what was seen on the way)."""
    folders, left_out = subfolders(source)
    others = [folder.name for folder in folders if folder.name.lower() not in PARTITIONS]
    if len(others) < len(folders) and others:
        raise UserError(
            f"ImageFolder.source {source} holds folders named as parts of the data beside others: "
            f"{', '.join(others[:5])}. Move those away, or name the folders of classes otherwise."
        )
    nested = bool(folders) and not others
    classes: list[tuple[Path, str]] = []
    total = Walk(left_out=left_out)
    for outer in folders if nested else [source]:
        stray = walk_pictures(outer, deep=False)
        if stray.files:
            total.left_out["in no class's folder"] += len(stray.files)
        inner, left_out = subfolders(outer) if nested else (folders, Counter[str]())
        total.left_out += left_out
        part = PARTITIONS[outer.name.lower()] if nested else "train"
        classes += [(folder, part) for folder in inner]
    _refuse_overlapping(source, [folder for folder, _ in classes])
    seen: set[str] = set()
    of_class: dict[Path, tuple[str, str]] = {}
    for folder, part in classes:
        walk = walk_pictures(folder, source, seen=seen)
        if not walk.files:
            logger.warning("%s holds no images: the class is left out", folder)
        total.add(walk)
        of_class |= dict.fromkeys(walk.files, (folder.name, part))
    total.drop_twins()
    return [(path, *of_class[path]) for path in total.files], total


def _refuse_overlapping(source: Path, folders: Sequence[Path]) -> None:
    """Raise UserError where the folder of one class or part is, by a link, another's, too."""
    found = overlapping(folders)
    if found is None:
        return
    first, second = sorted(found)
    raise UserError(
        f"ImageFolder.source {source}: the pictures of {second.relative_to(source)} are those of "
        f"{first.relative_to(source)}, too, by a link, and would be read twice, as two classes or "
        "to train and to test on. Remove the link."
    )


def _with_test(parts: list[str]) -> list[str]:
    """The partitions, validation taken for test where there is no test."""
    if "test" in parts or "validation" not in parts:
        return parts
    logger.info("there is no test folder: the validation folder is taken for the test split")
    return ["test" if part == "validation" else part for part in parts]
