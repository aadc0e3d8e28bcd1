"""Which rows each split holds: pure functions from one table to tables by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from fewshot.data.splits.classes import FewShotPlan, class_disjoint, top_classes
from fewshot.data.splits.draw import alphabetical_codes, places_in_class, rows_of_class
from fewshot.data.splits.listed import ListedParts, listed_types
from fewshot.data.splits.parting import Parting, part_rows
from fewshot.errors import UserError
from fewshot.wording import first_few


@dataclass(frozen=True)
class SplitPlan:
    """What to split into.

    top: how many of the most frequent classes of the whole file are parted from the others;
    parting: how rows become training, validation and test rows; per_class: sizes of few-label
    training sets, nested; few_shot: how classes are parted (where a file lists their parts, these
    are all that is made); label_column, id_column: what they are called; seed: of every draw;
    corrections: CSVs of corrected labels, see `corrections.corrected`.
    """

    top: int = 20
    parting: Parting = field(default_factory=Parting)
    per_class: tuple[int, ...] = ()
    few_shot: FewShotPlan | ListedParts | None = None
    label_column: str = "articleType"
    id_column: str = "id"
    seed: int = 0
    corrections: tuple[str, ...] = ()


@dataclass(frozen=True)
class Splits:
    """The tables by name, in the order they are printed.

    class_names: all classes of the file, sorted; dropped: (id, reason) of each row in no table;
    rows: what was split, of which the tables have the index; notes: what the user should know, a
    sentence each.
    """

    tables: Mapping[str, pd.DataFrame]
    class_names: tuple[str, ...]
    dropped: Sequence[tuple[str, str]]
    rows: pd.DataFrame
    notes: Sequence[str] = field(default_factory=list)


def split(table: pd.DataFrame, plan: SplitPlan) -> Splits:
    """Every split of the plan; rows keep their order and all their columns.

    table: columns id and the label column, and those that the plan names, as text. Raises UserError
    when the table or the plan leaves a split without rows or without meaning.
    """
    labels = table[plan.label_column]
    reasons = dict.fromkeys(table["id"][labels == ""], f"no {plan.label_column}")
    rows = table[labels != ""]
    tables: dict[str, pd.DataFrame]
    if isinstance(plan.few_shot, ListedParts):
        listed = plan.few_shot
        tables, notes = listed_types(rows, listed, plan.label_column, plan.seed)
        left = rows["id"][~rows[plan.label_column].isin(listed.parts)]
        reasons |= dict.fromkeys(left, f"its type is not in {listed.file}")
    else:
        tables, more, notes = _row_splits(rows, plan)
        reasons |= more
    dropped = [(row_id, reasons[row_id]) for row_id in table["id"].tolist() if row_id in reasons]
    notes.append(capitals_note(labels))
    names = tuple(sorted(set(labels.unique().tolist()) - {""}))
    return Splits(tables, names, dropped, table, [note for note in notes if note])


def _row_splits(
    rows: pd.DataFrame, plan: SplitPlan
) -> tuple[dict[str, pd.DataFrame], dict[str, str], list[str]]:
    """The tables made from training and test rows, {id: reason} of rows in none, and notes."""
    parts, reasons, notes = part_rows(
        rows, plan.parting, plan.label_column, plan.seed, plan.id_column
    )
    top = top_classes(rows[plan.label_column], plan.top)
    tables: dict[str, pd.DataFrame] = {}
    for name, part in parts.items():
        frequent = part[plan.label_column].isin(top)
        tables[name] = part
        tables[f"{name}_top{plan.top}"] = part[frequent]
        tables[f"{name}_other"] = part[~frequent]
    notes.append(untrained_note(parts, plan.label_column))
    for n in plan.per_class:
        tables[f"train_{n}_per_class"], note = few_labels(parts["train"], n, plan)
        notes.append(note)
    if isinstance(plan.few_shot, FewShotPlan):
        usable = rows[~rows["id"].isin(reasons)]
        novel, note = class_disjoint(usable, parts["train"], plan.few_shot, plan.label_column)
        tables |= novel
        notes.append(note)
    return tables, reasons, notes


def few_labels(train: pd.DataFrame, n: int, plan: SplitPlan) -> tuple[pd.DataFrame, str]:
    """n rows of each class, all of a smaller class's, and a note that names the smaller ones.

    The rows for n are among those for n + 1. Raises UserError for an n below 1.
    """
    if n < 1:
        raise UserError(f"--per-class needs at least 1 row a class, not {n}.")
    codes = alphabetical_codes(train[plan.label_column])
    places = places_in_class(codes, train["id"].tolist(), plan.seed, "per class")
    labels = train[plan.label_column]
    small = labels[rows_of_class(codes) < n].value_counts()
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


def capitals_note(labels: pd.Series) -> str:
    """Names the classes that differ only in capitals; empty where there are none."""
    counts = labels[labels != ""].value_counts()
    folded = pd.Series([str(name).casefold() for name in counts.index], index=counts.index)
    alike = [_counted(counts[folded == name]) for name in folded[folded.duplicated()].unique()]
    if not alike:
        return ""
    return (
        f"types that differ only in capitals: {'; '.join(alike)}: where two are meant as one, "
        "list their rows in a CSV with the label that they should have, and give it with "
        "--corrections"
    )


def _counted(counts: pd.Series) -> str:
    ranked: Iterable[tuple[object, int]] = sorted(counts.items(), key=lambda i: (-i[1], str(i[0])))
    return first_few(f"{name} ({count})" for name, count in ranked)
