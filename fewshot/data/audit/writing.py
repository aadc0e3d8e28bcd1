"""What an audit leaves: its findings, a sheet of pictures, a clean CSV, and groups for splits."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fewshot.data.audit.command import Audit
from fewshot.data.audit.findings import SAME_ID
from fewshot.data.audit.groups import twin_groups
from fewshot.data.audit.pairs import NearRule
from fewshot.data.audit.sheet import Pair, Pieces, write_sheet
from fewshot.data.tables.table import read_rows, write_table
from fewshot.errors import UserError
from fewshot.experiment.files import write_atomically
from fewshot.spreadsheet import write_csv

GROUP = "group"


def write_audit(found: Audit, directory: Path, pairs: int, pieces: Pieces) -> None:
    """Write audit.csv, and audit.png of at most so many pairs where there are any.

    An older audit.png is removed. pieces: see `sheet.write_sheet`. Raises UserError where
    the folder cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / "audit.csv", partial(write_csv, found.findings))
        shown = _shown(found, pairs)
        (directory / "audit.png").unlink(missing_ok=True)
        if shown:
            write_sheet(shown, directory / "audit.png", pieces)
    except OSError as error:
        raise UserError(
            f"cannot write to {directory}: {error.strerror}. Give another --output."
        ) from error


def _shown(found: Audit, pairs: int) -> list[Pair]:
    """Evenly spaced findings of each kind, so that the sheet shows every kind."""
    findings = found.findings
    pictured = findings[findings["kind"] != SAME_ID]
    kinds = [rows for _, rows in pictured.groupby("kind", sort=False)]
    shown = []
    for rows in kinds:
        count = min(len(rows), max(1, pairs // len(kinds)))
        shown.append(rows.iloc[np.arange(count) * len(rows) // count])
    table = pd.concat(shown) if shown else pictured
    numbers = dict(zip(found.listed.names, found.listed.roots, strict=True))
    stores = {name: found.stores[number] for name, number in numbers.items()}
    return [
        Pair(
            stores[row["other_file"]].picture(row["other_id"]),
            stores[row["file"]].picture(row["id"]),
            (
                f"{row['kind']} {row['distance']:.3f}",
                f"{row['other_id']} {row['other_label']}",
                f"{row['id']} {row['label']}",
            ),
        )
        for row in table.to_dict("records")
    ]


def write_clean(found: Audit, csv: str | Path, path: Path) -> int:
    """Write the rows of an audited CSV but those that were found in it; gives how many were."""
    table = read_rows(csv)
    findings = found.findings
    leaks = set(findings.loc[findings["file"] == str(csv), "id"])
    _refuse_source(csv, path)
    write_table(table[~table["id"].isin(leaks)], path)
    return len(leaks)


def write_groups(found: Audit, rule: NearRule, path: Path) -> tuple[int, int]:
    """Write all rows with a column `group`, for `--group-column`: (groups of several, the largest).

    A group is named after its first image; an id in several CSVs is written once. Raises UserError
    where the CSVs have a column of this name, or several roots.
    """
    if len(found.stores) > 1:
        raise UserError("groups are written for one --root: an id says no more which image it is.")
    names = found.listed.names
    table = pd.concat([read_rows(name) for name in names], ignore_index=True).fillna("")
    table = table.drop_duplicates("id", ignore_index=True)
    if GROUP in table:
        raise UserError(f"{', '.join(names)}: a column '{GROUP}' is there already: rename it.")
    for name in names:
        _refuse_source(name, path)
    first = twin_groups(found.looks, rule).tolist()
    ids = [image_id for _, image_id in found.readable]
    group = dict(zip(ids, (ids[row] for row in first), strict=True))
    table[GROUP] = [group.get(image_id, image_id) for image_id in table["id"]]
    write_table(table, path)
    sizes = table[GROUP].value_counts()
    return int((sizes > 1).sum()), int(sizes.max())


def _refuse_source(csv: str | Path, path: Path) -> None:
    if path.exists() and path.samefile(csv):
        raise UserError(f"{path} is a CSV that was read: give another name to what is written.")
