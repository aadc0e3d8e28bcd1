"""Which rows each split holds: pure functions from one table to tables by name."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from fewshot.data.splits.classes import FewShotPlan, class_disjoint, top_classes
from fewshot.data.splits.draw import class_counts, held_out, places_in_class
from fewshot.data.tables.table import listing
from fewshot.errors import UserError


@dataclass(frozen=True)
class SplitPlan:
    """What to split into, besides train (even years) and test (odd years).

    top: how many of the most frequent classes of the whole file are parted from the others;
    validation: share of the training rows set apart, stratified; validation_years: training years
    set apart instead; per_class: sizes of few-label training sets, nested; seed: of every draw.
    """

    top: int = 20
    validation: float = 0.0
    validation_years: tuple[int, ...] = ()
    per_class: tuple[int, ...] = ()
    few_shot: FewShotPlan | None = None
    label_column: str = "articleType"
    seed: int = 0


@dataclass(frozen=True)
class Splits:
    """The tables by name, in the order they are printed.

    class_names: all classes of the file, sorted; dropped: (id, reason) of each row in no table;
    notes: what the user should know, a sentence each.
    """

    tables: Mapping[str, pd.DataFrame]
    class_names: tuple[str, ...]
    dropped: Sequence[tuple[str, str]]
    notes: Sequence[str] = field(default_factory=list)


def split(table: pd.DataFrame, plan: SplitPlan) -> Splits:
    """Every split of the plan; rows keep their order and all their columns.

    table: columns id, year and the label column, as text. Raises UserError when the table or the
    plan leaves a split without rows or without meaning.
    """
    labels, years = table[plan.label_column], parse_years(table["year"])
    usable = (labels != "") & (years >= 0)
    dropped = [
        (row_id, f"no {plan.label_column}" if label == "" else f"no year (found {year!r})")
        for row_id, label, year in zip(
            table.loc[~usable, "id"], labels[~usable], table.loc[~usable, "year"], strict=True
        )
    ]
    labels = labels[labels != ""]
    rows = table[usable]
    parts = _parts(rows, years[usable].to_numpy(), plan)
    top = top_classes(labels, plan.top)
    tables: dict[str, pd.DataFrame] = {}
    for name, part in parts.items():
        frequent = part[plan.label_column].isin(top)
        tables[name] = part
        tables[f"{name}_top{plan.top}"] = part[frequent]
        tables[f"{name}_other"] = part[~frequent]
    notes = [untrained_note(parts, plan.label_column)]
    for n in plan.per_class:
        tables[f"train_{n}_per_class"], note = few_labels(parts["train"], n, plan)
        notes.append(note)
    if plan.few_shot is not None:
        novel, note = class_disjoint(rows, parts["train"], plan.few_shot, plan.label_column)
        tables |= novel
        notes.append(note)
    return Splits(tables, tuple(sorted(set(labels))), dropped, [note for note in notes if note])


def parse_years(column: pd.Series) -> pd.Series:
    """The years as int64, -1 where there is none; "2012.0" is 2012."""
    return column.map(_year).astype("int64")


def _year(text: str) -> int:
    match = re.fullmatch(r"\s*([0-9]{1,9})(?:\.0*)?\s*", text)
    return -1 if match is None else int(match[1])


def _parts(rows: pd.DataFrame, years: np.ndarray, plan: SplitPlan) -> dict[str, pd.DataFrame]:
    """train, validation (where it is asked for) and test, by year."""
    even = years % 2 == 0
    for missing, kind, use in ((even, "even", "training"), (~even, "odd", "test")):
        if not missing.any():
            found = listing(sorted(set(years.tolist())), limit=10) or "none"
            raise UserError(
                f"no row has an {kind} year, so the {use} split would be empty. Even years are "
                f"training rows, odd years test rows; years found: {found}."
            )
    train, parts = rows[even], {}
    chosen = _validation_rows(train, years[even], plan)
    if chosen is not None:
        if chosen.all():
            raise UserError("the validation years leave no training row: name fewer of them.")
        parts["validation"] = train[chosen]
        train = train[~chosen]
    return {"train": train, **parts, "test": rows[~even]}


def _validation_rows(train: pd.DataFrame, years: np.ndarray, plan: SplitPlan) -> np.ndarray | None:
    """bool [rows], or None where no validation part is asked for."""
    if plan.validation and plan.validation_years:
        raise UserError("a validation part is made by fraction or by years: give one of them.")
    if plan.validation_years:
        wrong = sorted(set(plan.validation_years) - set(years.tolist()))
        if wrong:
            raise UserError(
                f"validation year {wrong[0]} is not a year of training rows, which are: "
                f"{listing(sorted(set(years.tolist())), limit=20)} (odd years are the test split)."
            )
        return np.isin(years, plan.validation_years)
    if not plan.validation:
        return None
    if not 0 < plan.validation < 1:
        raise UserError(f"--validation is a fraction between 0 and 1, not {plan.validation}.")
    codes = _codes(train[plan.label_column])
    rows = held_out(codes, train["id"].tolist(), plan.validation, plan.seed, "validation")
    if not len(rows):
        raise UserError("no class has two training rows, so none can be set apart to validate on.")
    return np.isin(np.arange(len(train)), rows)


def _codes(labels: pd.Series) -> np.ndarray:
    """int64 classes of the rows, numbered in alphabetical order."""
    return np.unique(labels.to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64)


def few_labels(train: pd.DataFrame, n: int, plan: SplitPlan) -> tuple[pd.DataFrame, str]:
    """n rows of each class, all of a smaller class's, and a note that names the smaller ones.

    The rows for n are among those for n + 1. Raises UserError for an n below 1.
    """
    if n < 1:
        raise UserError(f"--per-class needs at least 1 row a class, not {n}.")
    codes = _codes(train[plan.label_column])
    places = places_in_class(codes, train["id"].tolist(), plan.seed, "per class")
    labels = train[plan.label_column]
    small = labels[class_counts(codes) < n].value_counts()
    note = ""
    if len(small):
        note = (
            f"train_{n}_per_class.csv: {len(small)} types have fewer than {n} training rows, "
            f"all kept: {_counted(small)}"
        )
    return train[places < n], note


def untrained_note(parts: Mapping[str, pd.DataFrame], label_column: str) -> str:
    """Names the test classes that have no training row; empty where every class has one."""
    test = parts["test"][label_column]
    untrained = test[~test.isin(parts["train"][label_column])].value_counts()
    if untrained.empty:
        return ""
    return (
        f"{len(untrained)} of the {test.nunique()} test types ({untrained.sum():,} rows) have no "
        f"training row: {_counted(untrained)}"
    )


def _counted(counts: pd.Series) -> str:
    ranked: Iterable[tuple[object, int]] = sorted(counts.items(), key=lambda i: (-i[1], str(i[0])))
    return listing(f"{name} ({count})" for name, count in ranked)
