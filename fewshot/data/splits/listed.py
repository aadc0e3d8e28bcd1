"""Splits that others have published: a file that names the part of each id, or of each type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from fewshot.data.splits.draw import drawn_order
from fewshot.data.tables.columns import column_named
from fewshot.data.tables.table import digest, read_rows
from fewshot.errors import UserError
from fewshot.wording import compared, first_few

PARTS_OF_ROWS = ("train", "validation", "test")
PARTS_OF_TYPES = ("base", "novel_validation", "novel")
_ALIASES = {"val": "validation", "valid": "validation", "dev": "validation"}


@dataclass(frozen=True)
class ListedParts:
    """The part of each id, or of each type, as a file has it.

    file, sha256: of that file; of_types: whether it lists types; validation_classes: how many of
    the base types are drawn to choose the model on; parts: {id or type: name of its part}.
    """

    file: str
    sha256: str
    of_types: bool
    validation_classes: int = 0
    parts: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_parts(path: str | Path, label_column: str, id_column: str = "id") -> ListedParts:
    """The parts that a CSV lists under the columns (id, part) or (label column, part).

    The part's column is the only other one, or is called part or split. Raises UserError for a file
    without these columns, and for names of parts that are unknown or lack a part that is needed.
    """
    path = Path(path).expanduser()
    table = read_rows(path, (), id_column=None)
    found = {name: column_named(table, name) for name in (id_column, label_column)}
    key = found[id_column] or found[label_column]
    others = [name for name in table.columns if name != key]
    named = [name for name in others if name.lower() in ("part", "split")]
    if key is None or len(named or others) != 1:
        raise UserError(
            f"{path}: a list of parts has the columns '{id_column}' (or '{label_column}') and "
            f"'part'; its columns are: {', '.join(table.columns)}. Rename them."
        )
    of_types = key != found[id_column]
    known = PARTS_OF_TYPES if of_types else PARTS_OF_ROWS
    keys = [compared(name) for name in table[key]]
    parts = [_part(text, of_types) for text in table[(named or others)[0]]]
    _check(path, keys, parts, known)
    listed = dict(zip(keys, parts, strict=True))
    return ListedParts(path.name, digest(path), of_types, parts=listed)


def _part(text: str, of_types: bool) -> str:
    name = text.strip().lower()
    name = _ALIASES.get(name, name)
    return "novel_validation" if of_types and name == "validation" else name


def _check(path: Path, keys: list[str], parts: list[str], known: Sequence[str]) -> None:
    twice = sorted(pd.Series(keys)[pd.Series(keys).duplicated()])
    if twice:
        raise UserError(f"{path} lists {first_few(twice)} twice: remove one of the lines.")
    unknown = sorted(set(parts) - set(known))
    if unknown:
        raise UserError(
            f"{path} has the part '{unknown[0]}': the parts are {', '.join(known)}. Rename it."
        )
    for needed in (known[0], known[-1]):
        if needed not in parts:
            raise UserError(f"{path} lists nothing in the part '{needed}': add it.")


def listed_rows(rows: pd.DataFrame, listed: ListedParts) -> tuple[pd.Series, list[str]]:
    """The part of each row ('' where its id is not listed), and notes."""
    names = rows["id"].map(listed.parts).fillna("")
    for needed in ("train", "test"):
        if not (names == needed).any():
            raise UserError(
                f"no row of the CSV is in the part '{needed}' of {listed.file}: are the ids of "
                "the two files the same?"
            )
    absent = sorted(set(listed.parts) - set(rows["id"]))
    if not absent:
        return names, []
    return names, [f"{len(absent)} ids of {listed.file} are not in the CSV: {first_few(absent)}"]


def listed_types(
    rows: pd.DataFrame, listed: ListedParts, label_column: str, seed: int
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The rows of each part's types by the part's name, and notes.

    Validation types are drawn from the base types. Raises UserError when that leaves fewer than two
    base types, when the file lists validation types itself, or a part has no row.
    """
    parts = dict(listed.parts)
    if listed.validation_classes:
        base = [name for name, part in parts.items() if part == "base"]
        if "novel_validation" in parts.values() or len(base) - listed.validation_classes < 2:
            raise UserError(
                f"{listed.validation_classes} validation classes cannot be drawn from the "
                f"{len(base)} base types of {listed.file}: at least 2 must be left, and the file "
                "must list no validation types itself. Change --validation-classes."
            )
        drawn = drawn_order(base, seed, "validation classes")[: listed.validation_classes]
        parts |= dict.fromkeys(drawn, "novel_validation")
    names = rows[label_column].map(parts)
    tables = {}
    for part in PARTS_OF_TYPES:
        if part not in parts.values():
            continue
        tables[part] = rows[names == part]
        if tables[part].empty:
            raise UserError(f"no row of the CSV has a type of the part '{part}' of {listed.file}.")
    absent = sorted(set(parts) - set(rows[label_column]))
    note = f"{len(absent)} types of {listed.file} are not in the CSV: {first_few(absent)}"
    return tables, [note] if absent else []
