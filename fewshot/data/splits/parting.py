"""How rows become training, validation and test rows: by year, by a draw, or as a file says."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot.data.splits.draw import IntArray, alphabetical_codes, held_out_groups
from fewshot.data.splits.groups import blocks_of, groups_of, refuse_parted_groups
from fewshot.data.splits.listed import ListedParts, listed_rows
from fewshot.data.tables.columns import column_named
from fewshot.errors import UserError
from fewshot.wording import first_few


@dataclass(frozen=True)
class Parting:
    """Which rows are tested on, and which are set apart to choose the model on.

    test_fraction: the share of all rows that is tested on; with None odd years are. listed: a
    file's parts, in place of both. validation_years: training years set apart; validation: the
    share of the (other) training rows set apart. Draws are stratified by type. group_column: rows
    that are equal there, such as photos of one product, stay together in every draw; validation
    rows stay together by blocks of this many consecutive ids where validation_block is given.
    """

    test_fraction: float | None = None
    listed: ListedParts | None = None
    group_column: str | None = None
    validation: float = 0.0
    validation_years: tuple[int, ...] = ()
    validation_block: int | None = None


def part_rows(
    rows: pd.DataFrame, parting: Parting, label_column: str, seed: int, id_column: str = "id"
) -> tuple[dict[str, pd.DataFrame], dict[str, str], list[str]]:
    """train, validation (where there is one) and test; {id: reason} of rows in none; notes.

    rows: those with a label; id_column: what the file calls their ids. Raises UserError for a plan
    that leaves a part without rows, and where rows of one group would be in two parts.
    """
    _check(rows, parting, id_column)
    codes = alphabetical_codes(rows[label_column])
    groups = groups_of(rows, parting.group_column)
    reasons: dict[str, str] = {}
    notes: list[str] = []
    if parting.listed is not None:
        listed, notes = listed_rows(rows, parting.listed)
        names = listed.to_numpy(dtype=object)
        reasons = dict.fromkeys(rows["id"][names == ""], f"not in {parting.listed.file}")
    elif parting.test_fraction is not None:
        names = np.full(len(rows), "train", dtype=object)
        names[_drawn(codes, groups, parting.test_fraction, seed, "test")] = "test"
    else:
        names, reasons = _by_year(rows)
    names = _set_apart(names, rows, codes, groups, parting, seed)
    if parting.group_column is not None:
        refuse_parted_groups(groups, names, parting.group_column)
    found = [name for name in ("train", "validation", "test") if (names == name).any()]
    return {name: rows[names == name] for name in found}, reasons, notes


def parse_years(column: pd.Series) -> pd.Series:
    """The years as int64, -1 where there is none; "2012.0" is 2012."""
    return column.map({text: _year(text) for text in column.unique()}).astype("int64")


def _year(text: str) -> int:
    match = re.fullmatch(r"\s*([0-9]{1,9})(?:\.0*)?\s*", text)
    return -1 if match is None else int(match[1])


def _check(rows: pd.DataFrame, parting: Parting, id_column: str) -> None:
    """Refuse options that exclude each other or name columns that are not there."""
    if parting.test_fraction is not None and parting.listed is not None:
        raise UserError("rows are tested on by fraction or as a file lists them: give one of them.")
    if parting.group_column is not None and parting.validation_block is not None:
        raise UserError("rows stay together by a group column or by blocks of ids: give one.")
    if parting.validation_block is not None and not parting.validation:
        raise UserError("--validation-block says how --validation FRACTION draws: give that, too.")
    by_year = parting.test_fraction is None and parting.listed is None
    renamed = {} if id_column == "id" else {"id": id_column, "original_id": "id"}
    columns = (renamed.get(name, name) for name in rows.columns)  # as the file has them
    found = f"the columns are: {', '.join(columns)}"
    if by_year and "year" not in rows.columns:
        raise UserError(
            f"the CSV has no column 'year', by which rows are split (even: training, odd: test); "
            f"{found}. Give --test-fraction 0.2 to draw the test rows, or --parts FILE."
        )
    if parting.validation_years and "year" not in rows.columns:
        raise UserError(f"--validation-years needs a column 'year'; {found}.")
    if parting.group_column is not None and column_named(rows, parting.group_column) is None:
        raise UserError(f"there is no group column '{parting.group_column}'; {found}.")
    for option, share in (
        ("--test-fraction", parting.test_fraction),
        ("--validation", parting.validation or None),
    ):
        if share is not None and not 0 < share < 1:
            raise UserError(f"{option} is a fraction between 0 and 1, not {share}.")


def _by_year(rows: pd.DataFrame) -> tuple[NDArray[np.object_], dict[str, str]]:
    """The part of each row by its year, '' without one, and the reasons of those."""
    years = parse_years(rows["year"]).to_numpy()
    names = np.where(years < 0, "", np.where(years % 2 == 0, "train", "test")).astype(object)
    for part, kind, use in (("train", "even", "training"), ("test", "odd", "test")):
        if part not in names:
            found = first_few(sorted(set(years[years >= 0].tolist())), limit=10) or "none"
            raise UserError(
                f"no row has an {kind} year, so the {use} split would be empty. Even years are "
                f"training rows, odd years test rows; years found: {found}. To draw the test rows "
                "instead, give --test-fraction 0.2."
            )
    lost = rows[names == ""]
    pairs = zip(lost["id"], lost["year"], strict=True)
    return names, {row_id: f"no year (found {year!r})" for row_id, year in pairs}


def _set_apart(
    names: NDArray[np.object_],
    rows: pd.DataFrame,
    codes: IntArray,
    groups: list[str],
    parting: Parting,
    seed: int,
) -> NDArray[np.object_]:
    """The parts with validation rows taken out of the training rows."""
    if not parting.validation and not parting.validation_years:
        return names
    if (names == "validation").any():
        raise UserError("the listed parts have validation rows already: give no --validation.")
    names = names.copy()
    if parting.validation_years:
        names[_of_years(names, parse_years(rows["year"]).to_numpy(), parting)] = "validation"
    if parting.validation:
        if parting.validation_block is not None:
            groups = blocks_of(rows["id"].tolist(), parting.validation_block)
        places = np.flatnonzero(names == "train")
        kept = [groups[place] for place in places]
        drawn = _drawn(codes[places], kept, parting.validation, seed, "validation")
        names[places[drawn]] = "validation"
    return names


def _of_years(names: NDArray[np.object_], years: IntArray, parting: Parting) -> NDArray[np.bool_]:
    """Which training rows are of the validation years."""
    training = sorted(set(years[(names == "train") & (years >= 0)].tolist()))
    wrong = sorted(set(parting.validation_years) - set(training))
    if wrong:
        raise UserError(
            f"validation year {wrong[0]} is not a year of training rows, which are: "
            f"{first_few(training, limit=20)}."
        )
    chosen = (names == "train") & np.isin(years, parting.validation_years)
    if chosen.sum() == (names == "train").sum():
        raise UserError("the validation years leave no training row: name fewer of them.")
    return np.asarray(chosen)


def _drawn(
    codes: IntArray, groups: list[str], fraction: float, seed: int, purpose: str
) -> IntArray:
    # numbered anew: what a draw gives depends on the classes it is made from, on no other ones
    numbered = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    rows = held_out_groups(numbered, groups, fraction, seed, purpose)
    if not len(rows):
        raise UserError(
            f"no class has two training rows (or groups of them), so none can be set apart for "
            f"the {purpose} part."
        )
    return rows
