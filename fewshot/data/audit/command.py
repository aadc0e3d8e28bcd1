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

from fewshot.data.audit.findings import KINDS, SAME_ID, Listed, find
from fewshot.data.audit.looks import look
from fewshot.data.audit.pairs import NearRule
from fewshot.data.audit.sheet import Pair, write_sheet
from fewshot.data.images.store import ImageStore, open_store
from fewshot.data.tables.table import listing, read_rows, write_table
from fewshot.errors import UserError

logger = logging.getLogger("fewshot")


@dataclass(frozen=True)
class Audit:
    """findings: a table, see `audit_findings.find`; images: compared; missing: ids without one."""

    findings: pd.DataFrame
    images: int
    missing: list[str]

    def summary(self) -> str:
        """Counts by kind, as the command line prints them."""
        lines = [f"{self.images:,} images compared"]
        if self.missing:
            lines[0] += f"; {len(self.missing)} ids have none: {listing(self.missing)}"
        for kind in KINDS:
            rows = self.findings[self.findings["kind"] == kind]
            differ = int(rows["labels_differ"].sum())
            note = f", {differ:,} of them with different labels" if differ else ""
            lines.append(f"{kind:<15} {len(rows):>7,}{note}")
        return "\n".join(lines)


def audit(
    csv_files: Sequence[str | Path],
    root_dir: str | Path,
    label_column: str = "articleType",
    rule: NearRule | None = None,
    within: bool = False,
) -> Audit:
    """Compare the rows of each CSV with those of the CSVs before it, see `audit_findings.find`.

    A CSV without the label column has no labels to compare. Raises UserError for what is wrong with
    a CSV or root_dir, and when no image is found.
    """
    store = open_store(Path(root_dir).expanduser().absolute())
    listed = _read(csv_files, label_column)
    ids = list(dict.fromkeys(listed.ids))
    readable, looks = look(store, ids)
    if not readable:
        raise UserError(
            f"none of the {len(ids)} ids has a readable image under {root_dir}, the first is "
            f"looked for at {store.place(ids[0])}: give the --root that belongs to the CSVs."
        )
    findings = find(listed, readable, looks, rule or NearRule(), within or len(csv_files) == 1)
    missing = sorted(set(ids) - set(readable))
    return Audit(findings, len(readable), missing)


def _read(csv_files: Sequence[str | Path], label_column: str) -> Listed:
    ids, labels, file = [], [], []
    names = [str(path) for path in csv_files]
    for number, path in enumerate(csv_files):
        table = read_rows(path)
        if label_column not in table:
            logger.warning("%s has no column '%s': its labels are not compared", path, label_column)
            table[label_column] = ""
        ids += table["id"].tolist()
        labels += table[label_column].str.strip().tolist()
        file += [number] * len(table)
    return Listed(names, np.array(file, dtype=np.int64), ids, labels)


def write_audit(found: Audit, root_dir: Path, directory: Path, pairs: int) -> None:
    """Write audit.csv, and audit.png of at most so many pairs where there are any.

    An older audit.png is removed. Raises UserError where the folder cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_table(found.findings, directory / "audit.csv")
        store = open_store(root_dir.expanduser().absolute())
        shown = _shown(store, found.findings, pairs)
        (directory / "audit.png").unlink(missing_ok=True)
        if shown:
            write_sheet(shown, directory / "audit.png")
    except OSError as error:
        raise UserError(
            f"cannot write to {directory}: {error.strerror}. Give another --output."
        ) from error


def _shown(store: ImageStore, findings: pd.DataFrame, pairs: int) -> list[Pair]:
    """Evenly spaced findings of each kind, so that the sheet shows every kind."""
    pictured = findings[findings["kind"] != SAME_ID]
    kinds = [rows for _, rows in pictured.groupby("kind", sort=False)]
    shown = []
    for rows in kinds:
        count = min(len(rows), max(1, pairs // len(kinds)))
        shown.append(rows.iloc[np.arange(count) * len(rows) // count])
    table = pd.concat(shown) if shown else pictured
    store.find([*table["id"], *table["other_id"]])
    return [
        Pair(
            store.picture(row["other_id"]),
            store.picture(row["id"]),
            (
                f"{row['kind']} {row['distance']:.3f}",
                f"{row['other_id']} {row['other_label']}",
                f"{row['id']} {row['label']}",
            ),
        )
        for row in table.to_dict("records")
    ]
