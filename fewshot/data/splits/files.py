"""The folder of split CSVs: written together, described in splits.json, nothing stale left."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot.data.splits.listed import PARTS_OF_ROWS, PARTS_OF_TYPES, ListedParts
from fewshot.data.splits.rows import SplitPlan, Splits
from fewshot.data.tables.table import csv_lines, digest, write_text
from fewshot.errors import UserError
from fewshot.wording import first_few

MANIFEST = "splits.json"
SPELT_OUT = 20  # dropped rows of one reason


@dataclass(frozen=True)
class SplitReport:
    """What was written: (rows, types) of each CSV, what was dropped, and why.

    removed: files of an earlier run in the same folder that this one does not write.
    """

    csv: Path
    directory: Path
    rows: int
    class_names: tuple[str, ...]
    files: Mapping[str, tuple[int, int]]
    dropped: Sequence[tuple[str, str]]
    notes: Sequence[str]
    removed: Sequence[str]

    def __str__(self) -> str:
        width = max(len(name) for name in self.files)
        lines = [
            f"{self.csv}: {self.rows:,} rows, {len(self.class_names)} types",
            f"{'file':<{width}}  {'rows':>7}  {'types':>5}",
        ]
        lines += [
            f"{name:<{width}}  {rows:>7,}  {types:>5}" for name, (rows, types) in self.files.items()
        ]
        lines.append(f"classes.txt names all {len(self.class_names)} types, sorted")
        lines.append(f"rows in no split: {len(self.dropped)}")
        lines += _by_reason(self.dropped)
        lines += self.notes
        if self.removed:
            lines.append(f"removed files of an earlier split: {first_few(self.removed, limit=20)}")
        lines.append(f"written to {self.directory}")
        return "\n".join(lines)


def _by_reason(dropped: Sequence[tuple[str, str]]) -> list[str]:
    """A line a dropped row, or one for all that share a reason where these are many."""
    ids: dict[str, list[str]] = {}
    for row_id, reason in dropped:
        ids.setdefault(reason, []).append(row_id)
    lines = []
    for reason, found in ids.items():
        if len(found) <= SPELT_OUT:
            lines += [f"  id {row_id}: {reason}" for row_id in found]
        else:
            named = f"ids {first_few(found)}, all named in {MANIFEST}"
            lines.append(f"  {len(found):,} rows: {reason} ({named})")
    return lines


def write_splits(splits: Splits, plan: SplitPlan, csv: Path, directory: Path) -> SplitReport:
    """Write every table as <name>.csv, classes.txt and splits.json, all of them or none.

    Files that an earlier run wrote here and this one does not are removed: left behind, they could
    share rows with the new ones. Raises UserError when the folder cannot be written, or the CSV
    that was read would be overwritten.
    """
    names = {f"{name}.csv": table for name, table in splits.tables.items()}
    _check_target(csv, directory, [*names, "classes.txt", MANIFEST])
    files = {
        name: (len(table), table[plan.label_column].nunique()) for name, table in names.items()
    }
    manifest = {
        "csv": csv.name,
        "sha256": digest(csv),
        "plan": asdict(plan, dict_factory=_without_listed_parts),
        "files": {name: {"rows": rows, "types": types} for name, (rows, types) in files.items()},
        "dropped": [{"id": row_id, "reason": reason} for row_id, reason in splits.dropped],
    }
    with _drafts(directory) as drafts:
        for name, text in _texts(splits.rows, names):
            write_text(text, drafts / name)
        write_text("".join(f"{name}\n" for name in splits.class_names), drafts / "classes.txt")
        write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", drafts / MANIFEST)
        removed = _remove_stale(directory, keep=set(names))
        for draft in sorted(drafts.iterdir()):
            draft.replace(directory / draft.name)
    whole = PARTS_OF_TYPES if isinstance(plan.few_shot, ListedParts) else PARTS_OF_ROWS
    parts = [len(splits.tables[name]) for name in whole if name in splits.tables]
    rows = len(splits.dropped) + sum(parts)
    return SplitReport(
        csv, directory, rows, splits.class_names, files, splits.dropped, splits.notes, removed
    )


def _texts(rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, str]]:
    """(name, CSV) of each table of some of the rows: a row is in several, its line made once."""
    header, *lines = csv_lines(rows)
    made = pd.Series(lines, index=rows.index, dtype=object)
    for name, table in tables.items():
        yield name, "\n".join([header, *made.loc[table.index].tolist(), ""])


def _without_listed_parts(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """A plan as the manifest has it: a list of parts is told by its digest, not copied."""
    return {name: value for name, value in items if name != "parts"}


def _check_target(csv: Path, directory: Path, names: Sequence[str]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot make the folder {directory}: {error.strerror}. Choose a writable place."
        ) from error
    for name in names:
        if (directory / name).exists() and (directory / name).samefile(csv):
            raise UserError(
                f"the splits would overwrite {csv}, the CSV they are made from: "
                "choose another folder for them."
            )


@contextmanager
def _drafts(directory: Path) -> Iterator[Path]:
    """A folder inside the target, from which finished files are moved to their place."""
    try:
        with tempfile.TemporaryDirectory(prefix=".splits-", dir=directory) as name:
            yield Path(name)
    except OSError as error:
        raise UserError(
            f"cannot write to {directory}: {error.strerror}. Choose a writable folder."
        ) from error


def _remove_stale(directory: Path, keep: set[str]) -> list[str]:
    """Remove the CSVs that an earlier run's manifest lists and this run does not write."""
    manifest = directory / MANIFEST
    if not manifest.is_file():
        return []
    try:
        listed = list(json.loads(manifest.read_text(encoding="utf-8"))["files"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(
            f"{manifest} was not written by create_splits.sh, or is damaged: "
            "remove it, or choose another folder."
        ) from None
    stale = [
        name
        for name in listed
        if name not in keep and Path(name).name == name and (directory / name).is_file()
    ]
    for name in stale:
        (directory / name).unlink()
    return stale
