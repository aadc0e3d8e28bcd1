"""Labels that a person has corrected: CSVs of id and label, such as a run leaves to be edited."""

from collections.abc import Container, Sequence

import pandas as pd

from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError
from fewshot.spreadsheet import restored
from fewshot.wording import first_few

LABEL = "label"


def corrected(
    table: pd.DataFrame, label_column: str, files: Sequence[str]
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """(the table with its corrections, ids whose label was taken away, what was done in words).

    files: CSVs with the columns id and label, in which a row whose label is that of the table
    corrects nothing, so that a list may be handed back with a few of its rows edited. An empty
    label leaves the row out. Cells may be as `spreadsheet.escaped` leaves them. Raises UserError
    for ids that the table does not have, and where two files correct a row differently.
    """
    if not files:
        return table, [], []
    labels = dict(zip(table["id"], table[label_column], strict=True))
    types = set(labels.values())
    changes: dict[str, str] = {}
    notes = []
    for file in files:
        found = read_rows(file, (LABEL,))
        ids = [_meant(one, labels) for one in found["id"]]
        unknown = [one for one in ids if one not in labels]
        if unknown:
            raise UserError(
                f"{file} corrects ids that the CSV does not have: {first_few(unknown)}. Name the "
                "corrections of this CSV, with its ids."
            )
        pairs = dict(zip(ids, (_meant(label, types) for label in found[LABEL]), strict=True))
        mine = {one: label for one, label in pairs.items() if label != labels[one]}
        twice = [one for one, label in mine.items() if changes.get(one, label) != label]
        if twice:
            raise UserError(f"{file} and another file correct ids differently: {first_few(twice)}.")
        changes |= mine
        notes.append(f"{file}: {_counted(mine)}")
    new = sorted(set(changes.values()) - types - {""})
    if new:
        notes.append(f"types that only the corrections name: {first_few(new)}")
    table = table.copy()
    table[label_column] = [changes.get(one, label) for one, label in labels.items()]
    return table, [one for one, label in changes.items() if label == ""], notes


def _meant(cell: str, known: Container[str]) -> str:
    """The cell without what was put before a formula, unless it is known only with that."""
    plain: str = restored(cell)
    return cell if cell in known and plain not in known else plain


def _counted(changes: dict[str, str]) -> str:
    gone = sum(label == "" for label in changes.values())
    return f"{len(changes) - gone:,} labels corrected, {gone:,} rows left out"
