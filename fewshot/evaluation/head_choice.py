"""Which of several heads serves a gallery best, told by the gallery alone."""

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch

from fewshot import seeding
from fewshot.batch import IntArray
from fewshot.evaluation.gallery import Gallery, stratified_rows
from fewshot.evaluation.naming import titled
from fewshot.interfaces import Head
from fewshot.sections import Section, Table

logger = logging.getLogger("fewshot")

FOLDS = 5
LOPSIDED = 10  # times as many rows
_ROWS = 2_000  # of the gallery that are looked at: a logistic regression of more takes minutes


def cross_validated(heads: Mapping[str, Head], gallery: Gallery) -> pd.DataFrame:
    """head, top1, mean_class_top1 of each in five-fold cross-validation, in the order they came.

    Always the same folds for the same labels. Each class has its rows in as many folds as it can;
    a class of one row is never asked for.
    """
    labels = gallery.labels.cpu().numpy()
    rows = stratified_rows(labels, _ROWS)
    fold = _folds(labels[rows])
    features, known = gallery.features[torch.from_numpy(rows)], torch.from_numpy(labels[rows])
    table = []
    for name, head in heads.items():
        right = np.zeros(len(rows), dtype=bool)
        for number in range(FOLDS):
            asked, others = (torch.from_numpy(part) for part in (fold == number, fold != number))
            if asked.any():
                support = features[others], known[others].to(features.device)
                scores = head(*support, features[asked], len(gallery.class_names))
                right[asked.numpy()] = (scores.argmax(1).cpu() == known[asked]).numpy()
        asked_for = fold >= 0
        hits = pd.Series(right[asked_for]).groupby(labels[rows][asked_for])
        row = {"top1": right[asked_for].mean(), "mean_class_top1": hits.mean().mean()}
        table.append({"head": name, **row})
    return pd.DataFrame(table)


def choose_head(
    heads: Mapping[str, Head], gallery: Gallery, prefix: str = ""
) -> tuple[Head, list[Section]]:
    """The head of the highest mean_class_top1 in cross-validation, the first of equal ones; what is
    to be said of it, if there was a choice.
    """
    if len(heads) == 1:
        return next(iter(heads.values())), []
    table = cross_validated(heads, gallery)
    name = str(table["head"][int(table["mean_class_top1"].argmax())])
    note = f"{name} was chosen, by mean_class_top1 in cross-validation of the gallery alone"
    shown = Table(f"tables/{prefix}head_choice.csv", table, note)
    return heads[name], [Section(titled(prefix, "Choice of the head"), [shown], 18)]


def warn_of_lopsided(heads: Mapping[str, Head], counts: Mapping[str, int]) -> None:
    """Log what follows from a class with ten times the rows of another, where there is one."""
    if not counts:
        return
    large, small = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[large] < LOPSIDED * counts[small]:
        return
    unbalanced = [name for name, head in heads.items() if not getattr(head, "class_balanced", True)]
    advice = "judge the small classes by mean_class_top1 and the table of classes"
    if unbalanced:
        advice = (
            f"{' and '.join(unbalanced)} will favour the large ones: bind class_balanced = True "
            "there, or another head such as @NearestPrototype"
        )
    logger.warning(
        "the gallery is lopsided, '%s' has %d rows and '%s' has %d; %s.",
        *(large, counts[large], small, counts[small], advice),
    )


def _folds(labels: IntArray) -> IntArray:
    """The fold of each row; -1 for the only row of a class."""
    order = seeding.generator("folds", len(labels)).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    within = np.arange(len(order)) - np.repeat(starts, counts)
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.where(np.repeat(counts, counts) > 1, within % FOLDS, -1)
    return fold
