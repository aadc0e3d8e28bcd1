"""Rows that stay together in every draw: photos of one product, neighbours in a catalogue."""

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot.data.tables.columns import text_of
from fewshot.errors import UserError
from fewshot.wording import first_few


def groups_of(rows: pd.DataFrame, column: str | None) -> list[str]:
    """What names the group of each row; a row without one is its own."""
    ids = rows["id"].tolist()
    if column is None:
        return ids
    values = text_of(rows, column, ()).tolist()
    return [f"group {value}" if value else f"id {i}" for i, value in zip(ids, values, strict=True)]


def blocks_of(ids: list[str], size: int) -> list[str]:
    """The block of `size` consecutive numbers that each id lies in; raises UserError for words."""
    if size < 1:
        raise UserError(f"--validation-block is a number of ids from 1 on, not {size}.")
    words = [row_id for row_id in ids if re.fullmatch(r"[0-9]{1,18}", row_id) is None]
    if words:
        raise UserError(
            f"--validation-block needs ids that are whole numbers, found {first_few(words)}: use "
            "--group-column instead."
        )
    return [str(int(row_id) // size) for row_id in ids]


def refuse_parted_groups(groups: list[str], names: NDArray[np.object_], column: str) -> None:
    """Raise UserError, naming them, where rows of one group are in two parts."""
    table = pd.DataFrame({"group": groups, "part": names})
    spread = table[table["part"] != ""].groupby("group")["part"].nunique()
    parted = [str(name).removeprefix("group ") for name in spread[spread > 1].index]
    if parted:
        raise UserError(
            f"{len(parted)} groups of column '{column}' would be in two parts: "
            f"{first_few(parted)}. Draw the parts with --test-fraction and "
            "--validation FRACTION, which keep groups together."
        )
