"""Leaks between split CSVs: `python -m fewshot audit train.csv test.csv --root DIR`.

Finds ids in both, images equal in every pixel, images nearly equal, and equal images of unequal
labels; writes audit.csv and a sheet of pictures, audit.png.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fewshot.data.audit.findings import KINDS, ImageKey, Listed, find
from fewshot.data.audit.looks import Looks, look
from fewshot.data.audit.pairs import NearRule
from fewshot.data.images.store import ImageStore, open_store
from fewshot.data.tables.columns import column_named, text_of
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError
from fewshot.wording import first_few

logger = logging.getLogger("fewshot")


@dataclass(frozen=True)
class Audit:
    """findings: a table, see `findings.find`; listed: the rows compared; missing: ids without one.

    readable, looks: the images compared, and what is remembered of each; stores: by root.
    """

    findings: pd.DataFrame
    listed: Listed
    readable: Sequence[ImageKey]
    looks: Looks
    missing: Sequence[str]
    stores: Sequence[ImageStore]

    @property
    def images(self) -> int:
        """How many were compared."""
        return len(self.readable)

    def summary(self) -> str:
        """Counts by kind, as the command line prints them."""
        lines = [f"{self.images:,} images compared"]
        if self.missing:
            lines[0] += f"; {len(self.missing)} ids have none: {first_few(self.missing)}"
        for kind in KINDS:
            rows = self.findings[self.findings["kind"] == kind]
            differ = int(rows["labels_differ"].sum())
            note = f", {differ:,} of them with different labels" if differ else ""
            lines.append(f"{kind:<15} {len(rows):>7,}{note}")
        return "\n".join(lines)


def audit(
    csv_files: Sequence[str | Path],
    root_dirs: str | Path | Sequence[str | Path],
    label_column: str = "articleType",
    rule: NearRule | None = None,
    within: bool = False,
) -> Audit:
    """Compare the rows of each CSV with those of the CSVs before it, see `findings.find`.

    root_dirs: one for all CSVs, or one for each. A CSV without the label column has no labels to
    compare. Raises UserError for what is wrong with a CSV or root, and when no image is found.
    """
    roots, numbers = _roots(root_dirs, len(csv_files))
    stores = [open_store(root) for root in roots]
    listed = _read(csv_files, numbers, label_column)
    images = list(dict.fromkeys(listed.images()))
    readable: list[ImageKey] = []
    seen = None
    for number, store in enumerate(stores):
        found, looks = look(store, [image_id for root, image_id in images if root == number])
        readable += [(number, image_id) for image_id in found]
        seen = looks if seen is None else seen.followed_by(looks)
    if not readable or seen is None:
        root, image_id = images[0]
        raise UserError(
            f"none of the {len(images)} ids has a readable image under "
            f"{', '.join(map(str, roots))}, the first is looked for at "
            f"{stores[root].place(image_id)}: give the --root that belongs to the CSVs."
        )
    findings = find(listed, readable, seen, rule or NearRule(), within or len(csv_files) == 1)
    missing = sorted(image_id for _, image_id in set(images) - set(readable))
    return Audit(findings, listed, readable, seen, missing, stores)


def _roots(
    root_dirs: str | Path | Sequence[str | Path], csvs: int
) -> tuple[list[Path], Sequence[int]]:
    """(the different roots, the number of that of each CSV)."""
    given = [root_dirs] if isinstance(root_dirs, str | Path) else list(root_dirs)
    if len(given) not in (1, csvs):
        raise UserError(
            f"{len(given)} roots are given for {csvs} CSVs: give one --root for all, or one for "
            f"each CSV in their order."
        )
    paths = [Path(root).expanduser().absolute() for root in given]
    real = [path.resolve() for path in paths]
    different = list(dict.fromkeys(real))
    numbers = [different.index(path) for path in real]
    return [paths[real.index(path)] for path in different], numbers * (csvs // len(given))


def _read(csv_files: Sequence[str | Path], roots: Sequence[int], label_column: str) -> Listed:
    ids: list[str] = []
    labels: list[str] = []
    file: list[int] = []
    names = [str(path) for path in csv_files]
    for number, path in enumerate(csv_files):
        table = read_rows(path)
        column = column_named(table, label_column)
        if column is None:
            logger.warning(
                "%s has no column '%s': its labels are not compared (--label-column names another)",
                path,
                label_column,
            )
        ids += table["id"].tolist()
        labels += [""] * len(table) if column is None else text_of(table, column, ()).tolist()
        file += [number] * len(table)
    return Listed(names, np.array(file, dtype=np.int64), ids, labels, roots)
