"""Class-disjoint splits for few-shot learning: base classes to train on, novel ones never seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fewshot.data.splits.draw import drawn_order, nth_combination
from fewshot.errors import UserError
from fewshot.wording import first_few


@dataclass(frozen=True)
class FewShotPlan:
    """Which classes are base, which choose the model, and which are novel.

    base_classes: how many; draw: the seed of a random choice; combination: the index of a choice
    among all combinations of base classes in alphabetical order; with neither, the most frequent
    classes are base. validation_classes: how many of the others are set apart to choose the model
    on; min_per_class: rows, over the whole file, that a class needs to take part.
    """

    base_classes: int
    draw: int | None = None
    combination: int | None = None
    validation_classes: int = 0
    min_per_class: int = 20

    @property
    def drawn(self) -> bool:
        """Whether the base classes are drawn, not the most frequent ones."""
        return self.draw is not None or self.combination is not None


@dataclass(frozen=True)
class ClassSplit:
    """Classes of the three parts; no class is in two of them."""

    base: tuple[str, ...]
    validation: tuple[str, ...]
    novel: tuple[str, ...]


def top_classes(labels: pd.Series, n: int) -> list[str]:
    """The n most frequent classes, ties in alphabetical order; raises UserError for a bad n."""
    counts = labels.value_counts()
    if not 1 <= n <= len(counts):
        raise UserError(
            f"the top {n} classes were asked for, but the file has {len(counts)}: "
            f"give --top a number from 1 to {len(counts)}."
        )
    ranked = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return [str(name) for name, _ in ranked[:n]]


def class_disjoint(
    rows: pd.DataFrame, train: pd.DataFrame, plan: FewShotPlan, label_column: str
) -> tuple[dict[str, pd.DataFrame], str]:
    """base (training rows), novel_validation and novel (rows of all years), and a note.

    Base holds training rows only, so the test split stays unseen by what is trained on it.
    """
    counts, training = rows[label_column].value_counts(), train[label_column].value_counts()
    enough = counts[counts >= plan.min_per_class]
    classes = top_classes(rows[label_column], len(counts))[: len(enough)]
    trainable = training[training >= plan.min_per_class].index
    parts = split_classes(plan, classes, [str(name) for name in trainable])
    tables = {"base": train[train[label_column].isin(parts.base)]}
    if parts.validation:
        tables["novel_validation"] = rows[rows[label_column].isin(parts.validation)]
    tables["novel"] = rows[rows[label_column].isin(parts.novel)]
    absent = [name for name in parts.base if name not in training.index]
    note = f"few-shot: {len(counts) - len(classes)} types with fewer than {plan.min_per_class} rows"
    note += " are left out"
    if absent:
        note += f"; base classes without a training row: {first_few(absent)}"
    return tables, note


def split_classes(
    plan: FewShotPlan, classes: Sequence[str], trainable: Sequence[str]
) -> ClassSplit:
    """Base, validation and novel classes by the plan.

    classes: those with enough rows, most frequent first; trainable: the ones among them with enough
    training rows, from which drawn base classes are taken. Of the classes that are not base, the
    first `validation_classes` (most frequent first, or in drawn order) are validation. Raises
    UserError when the numbers do not go together, or leave fewer than two novel classes.
    """
    _check(plan, len(classes))
    base = _base_classes(plan, classes, sorted(trainable))
    rest = [name for name in classes if name not in set(base)]
    if plan.drawn:
        rest = drawn_order(rest, "rest", *(str(part) for part in (plan.draw, plan.combination)))
    cut = plan.validation_classes
    return ClassSplit(tuple(base), tuple(rest[:cut]), tuple(rest[cut:]))


def _base_classes(
    plan: FewShotPlan, classes: Sequence[str], trainable: Sequence[str]
) -> Sequence[str]:
    if not plan.drawn:
        return classes[: plan.base_classes]
    if len(trainable) < plan.base_classes:
        raise UserError(
            f"{plan.base_classes} base classes cannot be drawn: only {len(trainable)} have at "
            f"least {plan.min_per_class} training rows ({first_few(trainable)}). "
            "Lower --base-classes or --min-per-class."
        )
    if plan.combination is None:
        return drawn_order(trainable, "base", str(plan.draw))[: plan.base_classes]
    total = math.comb(len(trainable), plan.base_classes)
    if not 0 <= plan.combination < total:
        raise UserError(
            f"combination {plan.combination} does not exist: there are {total} ways to choose "
            f"{plan.base_classes} base classes of {len(trainable)}, numbered 0 to {total - 1}."
        )
    return nth_combination(trainable, plan.base_classes, plan.combination)


def _check(plan: FewShotPlan, available: int) -> None:
    if plan.base_classes < 1 or plan.validation_classes < 0 or plan.min_per_class < 1:
        raise UserError(
            f"few-shot splits need at least 1 base class (found {plan.base_classes}), 0 validation "
            f"classes ({plan.validation_classes}) and 1 row a class ({plan.min_per_class})."
        )
    if plan.draw is not None and plan.combination is not None:
        raise UserError("base classes are chosen by a draw or by a combination: give one of them.")
    novel = available - plan.base_classes - plan.validation_classes
    if novel < 2:
        raise UserError(
            f"{plan.base_classes} base and {plan.validation_classes} validation classes leave "
            f"{max(novel, 0)} novel classes of the {available} with at least {plan.min_per_class} "
            "rows; episodes need 2. Lower --base-classes, --validation-classes or --min-per-class."
        )
