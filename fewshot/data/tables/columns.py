"""What a column of a table says, as text and as labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot.errors import UserError
from fewshot.wording import all_compared, compared


def all_distinct(names: Sequence[str]) -> bool:
    """Whether no two of the names are equal.

    Sorted hashes that differ say so of a million names in half the time that a set of them takes.
    """
    hashes = np.sort(np.fromiter(map(hash, names), np.int64, len(names)))
    return bool((hashes[1:] != hashes[:-1]).all()) or len({*names}) == len(names)


def column_named(table: pd.DataFrame, name: str) -> str | None:
    """The table's column of this name, in whatever form of Unicode either has it; None if none."""
    if name in table:
        return name
    return next((str(one) for one in table.columns if compared(str(one)) == compared(name)), None)


def text_of(table: pd.DataFrame, name: str, files: Sequence[Path]) -> NDArray[np.object_]:
    """A string a row in Unicode's composed form (NFC), '' where the column is blank.

    files: where the table is from, for messages. Raises UserError where there is no such column.
    """
    found = column_named(table, name)
    if found is None:
        raise UserError(
            f"{', '.join(map(str, files))} has no column '{name}'; its columns are: "
            f"{', '.join(table.columns)}."
        )
    texts = table[found].fillna("").astype(str)
    return np.array(all_compared(texts), dtype=object)


def relabelled(
    labels: NDArray[np.int64], names: Sequence[str], wanted: Sequence[str]
) -> NDArray[np.int64]:
    """Labels into the names as labels into the wanted ones, -1 where there is none."""
    index = {name: number for number, name in enumerate(wanted)}
    # the entry after the last name is what label -1 picks: unlabelled stays unlabelled
    places = np.array([index.get(name, -1) for name in names] + [-1], dtype=np.int64)
    return places[labels]
