"""What every importer writes: images or a list of them, a table and its splits."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd

from fewshot.data.images.decode import UInt8Array
from fewshot.data.images.vouching import folders_of
from fewshot.data.splits.command import create_splits
from fewshot.data.splits.draw import held_out
from fewshot.data.splits.parting import Parting
from fewshot.data.splits.rows import SplitPlan
from fewshot.data.tables.table import write_table, write_text
from fewshot.errors import UserError
from fewshot.experiment.files import write_atomically

logger = logging.getLogger("fewshot")

YEARS = {"train": 2018, "validation": 2016, "test": 2019}  # even: training rows, odd: test rows


def checked_source(source: str | Path | None, importer: str, holds: str) -> Path:
    """The folder an importer reads; raises UserError where it is not bound or not there."""
    if source is None:
        raise UserError(
            f"{importer}.source is not bound: bind the folder that holds {holds}, "
            f"e.g. {importer}.source = '/path/to/folder'."
        )
    folder = Path(source).expanduser().resolve()
    if not folder.is_dir():
        raise UserError(
            f"{importer}.source {folder} is not a folder: bind the one that holds {holds}."
        )
    return folder


def write_styles(
    folder: Path, ids: Sequence[str], labels: Sequence[str], parts: Sequence[str], top: int
) -> None:
    """Write styles.csv (id, articleType, year, split) and the split CSVs beside it.

    parts: 'train', 'validation' or 'test' of each row; top: as create_splits, at most the number
    of classes. Raises UserError when no row is for training or none for testing.
    """
    for part in ("train", "test"):
        if part not in parts:
            raise UserError(
                f"none of the {len(parts)} images to import is in the {part} part: check the "
                "source's folders or lists."
            )
    years = [YEARS[part] for part in parts]
    table = pd.DataFrame({"id": ids, "articleType": labels, "year": years, "split": parts})
    styles = folder / "styles.csv"
    write_table(table, styles)
    validation_years = (YEARS["validation"],) if "validation" in parts else ()
    plan = SplitPlan(min(top, len(set(labels))), Parting(validation_years=validation_years))
    report = create_splits(styles, folder, plan)
    for name, (rows, types) in report.files.items():
        logger.info("%-20s %7s rows %4d types", name, f"{rows:,}", types)
    for note in report.notes:
        logger.info("%s", note)


def write_array(folder: Path, ids: Sequence[str], images: UInt8Array) -> None:
    """Write images uint8 [N, H, W] or [N, H, W, 3] as images.npy and images_ids.txt."""
    write_atomically(folder / "images.npy", lambda part: np.save(part, images, allow_pickle=False))
    write_text("".join(f"{image_id}\n" for image_id in ids), folder / "images_ids.txt")


def write_list(folder: Path, ids: Sequence[str], paths: Sequence[Path], source: Path) -> list[Path]:
    """Write images.csv: where the file of each id lies; the files stay where they are.

    Gives the folders that the files lie in: source, and those that links out of it lead to.
    """
    listed = pd.DataFrame({"id": ids, "path": [str(path) for path in paths]})
    write_table(listed, folder / "images.csv")
    return folders_of(paths, source)


def ids_from_paths(paths: Sequence[str]) -> list[str]:
    """Ids that are unique, safe as file names, and stay the same when files are added.

    paths: relative to the source, with '/'. Paths that differ only in what an id cannot hold get
    a digest of the path behind.
    """
    plain = [re.sub(r"[^\w.-]+|\.{2,}", "_", path.replace("/", "__")) for path in paths]
    counts = Counter(plain)
    return [
        name if counts[name] == 1 else f"{name}-{blake2b(path.encode(), digest_size=4).hexdigest()}"
        for name, path in zip(plain, paths, strict=True)
    ]


def hold_out_test(
    ids: Sequence[str], labels: Sequence[str], parts: Sequence[str], fraction: float, importer: str
) -> list[str]:
    """The parts with a stratified share of the training rows moved to 'test', drawn by id."""
    if not isinstance(fraction, int | float) or not 0 < fraction < 1:
        raise UserError(
            f"{importer}.test_fraction is {fraction!r}: give a number between 0 and 1, such as 0.2."
        )
    training = [row for row, part in enumerate(parts) if part == "train"]
    codes = np.unique([labels[row] for row in training], return_inverse=True)[1].astype(np.int64)
    chosen = held_out(codes, [ids[row] for row in training], fraction, "test").tolist()
    if not chosen:
        raise UserError(
            f"{importer}: no class has two images, so none can be set apart to test on."
        )
    moved = list(parts)
    for place in chosen:
        moved[training[place]] = "test"
    return moved
