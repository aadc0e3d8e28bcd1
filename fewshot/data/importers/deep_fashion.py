"""The DeepFashion category and attribute benchmark's lists."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gin

from fewshot.containment import Roots
from fewshot.data.images.walk import is_sound
from fewshot.data.importers.root import ImportNote, make_root
from fewshot.data.importers.writing import (
    checked_source,
    ids_from_paths,
    write_list,
    write_styles,
)
from fewshot.errors import UserError

logger = logging.getLogger("fewshot")

CATEGORIES = "list_category_img.txt"
PARTITIONS = "list_eval_partition.txt"
NAMES = "list_category_cloth.txt"
PARTS = {"train": "train", "val": "validation", "test": "test"}


@gin.register
class DeepFashion:
    """Imports the category benchmark of DeepFashion (https://doi.org/10.1109/CVPR.2016.124).

    source: holds list_category_img.txt, list_eval_partition.txt and img/, side by side or in the
    archive's folders (Anno, Anno_coarse, Anno_fine, Eval, Img); class names come from
    list_category_cloth.txt where it is there. Partition val becomes validation.csv. top: as
    create_splits.
    """

    def __init__(self, source: str | Path | None = None, top: int = 20) -> None:
        self.source = source
        self.top = top

    def __call__(self, root_dir: str | Path) -> None:
        """Make root_dir; raises UserError that names the file and line that is wrong."""
        source = checked_source(self.source, "DeepFashion", f"{CATEGORIES}, {PARTITIONS} and img/")
        note = ImportNote("DeepFashion", source, {"top": self.top})
        make_root(root_dir, note, lambda folder: self._write(folder, source))

    def _write(self, folder: Path, source: Path) -> Sequence[Path]:
        categories = read_list(_locate(source, CATEGORIES))
        partitions = read_list(_locate(source, PARTITIONS))
        names = _class_names(source)
        images = _locate(source, "img")
        known = _by_image(partitions)
        _by_image(categories)  # refuses an image that is listed twice
        paths = _paths(categories, images)
        listed = [image for _, image, _ in categories.rows]
        labels = [_label(categories, line, value, names) for line, _, value in categories.rows]
        parts = [_part(partitions, known, image) for image in listed]
        ids = ids_from_paths([image.removeprefix("img/") for image in listed])
        write_styles(folder, ids, labels, parts, self.top)
        return write_list(folder, ids, paths, images)


@dataclass(frozen=True)
class ListFile:
    """A list's rows as (line number, first column, second column)."""

    path: Path
    rows: Sequence[tuple[int, str, str]]


def read_list(path: Path) -> ListFile:
    """A count line, a header line, then rows of a name and a value aligned by spaces.

    Raises UserError for a bad count, a bad row, or a count that does not agree with the rows.
    """
    lines = path.read_text("utf-8", errors="replace").splitlines()
    count = lines[0].strip() if lines else ""
    if not count.isdecimal():
        raise UserError(
            f"{path} line 1 is {count!r}: the number of rows is expected there, and a header in "
            f"line 2. Unpack the file again from the archive."
        )
    rows = []
    for number, line in enumerate(lines[2:], start=3):
        cells = line.rsplit(maxsplit=1)
        if not cells:
            continue
        if len(cells) != 2:
            raise UserError(f"{path} line {number} is {line!r}: a name and a value are expected.")
        rows.append((number, cells[0].strip(), cells[1]))
    if len(rows) != int(count):
        raise UserError(
            f"{path} line 1 says {count} rows, but {len(rows)} follow the header: the file is cut "
            f"short or edited. Unpack it again, or correct the count."
        )
    return ListFile(path, rows)


def _locate(source: Path, name: str) -> Path:
    inside = ("", "Anno", "Anno_coarse", "Anno/Anno_coarse", "Anno_fine", "Eval", "Img")
    for folder in inside:
        if (source / folder / name).exists():
            return source / folder / name
    raise UserError(
        f"DeepFashion.source {source} has no {name} (nor in its folders "
        f"{', '.join(inside[1:])}): put it there, from the category benchmark's archive."
    )


def _class_names(source: Path) -> Sequence[str] | None:
    try:
        path = _locate(source, NAMES)
    except UserError:
        logger.info("no %s: the classes are named by their numbers", NAMES)
        return None
    return [name for _, name, _ in read_list(path).rows]


def _by_image(listed: ListFile) -> Mapping[str, tuple[int, str]]:
    """{image: (line, value)}; an image listed twice is refused."""
    found: dict[str, tuple[int, str]] = {}
    for line, image, value in listed.rows:
        if image in found:
            raise UserError(
                f"{listed.path} lists {image} twice, in lines {found[image][0]} and {line}: "
                f"remove one of them."
            )
        found[image] = (line, value)
    return found


def _paths(listed: ListFile, images: Path) -> list[Path]:
    """Where the listed images lie; one that leads out of img/ is refused."""
    roots, paths = Roots(images), []
    for line, image, _ in listed.rows:
        path = roots.path(image.removeprefix("img/")) if is_sound(image) else None
        if path is None:
            raise UserError(
                f"{listed.path} line {line} names {image!r}, which leads out of {images}: only "
                f"images in it are taken. Correct the line, or put the image there."
            )
        paths.append(path)
    return paths


def _label(listed: ListFile, line: int, value: str, names: Sequence[str] | None) -> str:
    """The class name of a category number, which counts from 1."""
    number = int(value) if value.isdecimal() else 0
    if number < 1 or (names is not None and number > len(names)):
        highest = "" if names is None else f" to {len(names)}, the rows of {NAMES}"
        raise UserError(
            f"{listed.path} line {line} has the category {value!r}: a whole number from 1{highest} "
            f"is expected."
        )
    return f"category {number:02d}" if names is None else names[number - 1]


def _part(listed: ListFile, known: Mapping[str, tuple[int, str]], image: str) -> str:
    if image not in known:
        raise UserError(
            f"{listed.path} has no line for {image}, which {CATEGORIES} lists: both files must "
            f"come from the same archive."
        )
    line, word = known[image]
    if word not in PARTS:
        raise UserError(
            f"{listed.path} line {line} has the partition {word!r}: train, val or test is "
            f"expected. Correct the line."
        )
    return PARTS[word]
