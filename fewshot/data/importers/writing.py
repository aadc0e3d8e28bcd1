"""What every importer writes: a root_dir that appears whole or not at all."""

import json
import logging
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd

from fewshot.data.images.decode import UInt8Array
from fewshot.data.splits.command import create_splits
from fewshot.data.splits.draw import held_out
from fewshot.data.splits.parting import Parting
from fewshot.data.splits.rows import SplitPlan
from fewshot.data.tables.table import write_table, write_text
from fewshot.errors import UserError

logger = logging.getLogger("fewshot")

MARKER = "import.json"
YEARS = {"train": 2018, "validation": 2016, "test": 2019}  # even: training rows, odd: test rows


def make_root(
    root_dir: str | Path, importer: str, source: Path | None, write: Callable[[Path], None]
) -> None:
    """Let `write` fill a temporary folder, then rename it to root_dir; nothing if that is done.

    source: what is read, noted in import.json. Raises UserError when root_dir holds other things,
    or an import of another kind or source, or cannot be made.
    """
    root = Path(root_dir).expanduser().resolve()
    facts = {"importer": importer, "source": None if source is None else str(source)}
    if _is_done(root, facts):
        logger.info("%s holds the %s data already", root, importer)
        return
    logger.info("importing %s into %s", importer, root)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".partial", dir=root.parent))
    except OSError as error:
        raise UserError(
            f"cannot make {root}: {error.strerror}. Choose a root_dir in a writable place."
        ) from error
    try:
        draft.chmod(0o755)  # mkdtemp makes it private
        write(draft)
        write_text(json.dumps(facts, indent=2) + "\n", draft / MARKER)
        draft.rename(root)
    except OSError as error:
        # Another process may have finished the same import first.
        if not _is_done(root, facts):
            raise UserError(f"cannot write {root}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_done(root: Path, facts: dict[str, str | None]) -> bool:
    """Whether the same import is there; False where root_dir is free for it."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = json.loads((root / MARKER).read_text("utf-8"))
    except (OSError, ValueError):
        names = sorted(path.name for path in root.iterdir())[:3] if root.is_dir() else ["a file"]
        raise UserError(
            f"{root} is not empty (it holds {', '.join(names)}), so {facts['importer']} does not "
            f"write there: give a new or empty folder as root_dir."
        ) from None
    if found != facts:
        raise UserError(
            f"{root} holds {found.get('importer')} data from {found.get('source')}, not "
            f"{facts['importer']} data from {facts['source']}: give another root_dir."
        )
    return True


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
    with (folder / "images.npy").open("wb") as file:
        np.save(file, images, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    write_text("".join(f"{image_id}\n" for image_id in ids), folder / "images_ids.txt")


def write_list(folder: Path, ids: Sequence[str], paths: Sequence[Path]) -> None:
    """Write images.csv: where the file of each id lies; the files stay where they are."""
    listed = pd.DataFrame({"id": ids, "path": [str(path) for path in paths]})
    write_table(listed, folder / "images.csv")


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
    if not 0 < fraction < 1:
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
