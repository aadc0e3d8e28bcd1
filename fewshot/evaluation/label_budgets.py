"""Heads on frozen features at several label budgets, every image embedded once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gin
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fewshot.batch import IntArray
from fewshot.errors import UserError
from fewshot.evaluation.classification_metrics import classify
from fewshot.evaluation.gallery import Gallery, told_of
from fewshot.evaluation.inference import embed
from fewshot.evaluation.ranking import ranked_by_head
from fewshot.evaluation.refusals import check_heads, checked_head
from fewshot.evaluation.split_rows import all_rows
from fewshot.interfaces import Dataset, Evaluation
from fewshot.sections import Section, Table


@gin.register
class LabelBudgets:
    """What heads make of frozen features when few labels of each class are known.

    heads: {name: factory of a head}; budgets: labels a class, None for all; rows: factory of what
    chooses rows, called with per_class (default @SelectRows); seed: what it draws by, that of runs
    that train on the same rows; limits_k: whether no head's k is more than the largest class has
    labels, as further neighbours could be of other classes only. Features are moved to mean 0 and
    scaled to standard deviation 1, dimension by dimension, over all training images, which needs no
    label. Figures of every split but "train": label_budgets/<budget>/<head>, beside rows,
    smallest_class and labels, how many there really were in all, in the smallest class and on
    average. Raises UserError for budgets below 1.
    """

    monitors = False
    needs_labels = True

    def __init__(
        self,
        heads: Mapping[str, Callable[[], Any]],
        budgets: Sequence[int | None] = (1, 10, 100, None),
        rows: Callable[..., Any] | None = None,
        seed: int = 0,
        limits_k: bool = False,
    ) -> None:
        for budget in budgets:
            if budget is not None and budget < 1:
                raise UserError(f"LabelBudgets.budgets has {budget}: name 1 or more, or None.")
        self.heads = {
            name: checked_head(f"LabelBudgets.heads['{name}']", factory)
            for name, factory in heads.items()
        }
        self.budgets = budgets
        self.rows = rows or gin.get_configurable("SelectRows")
        self.seed = seed
        self.limits_k = limits_k

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """Every head at every budget on every split but "train"."""
        train = datasets["train"]
        place = _placing(embed(objective, train))
        support = place(embed(objective, train))
        queries = {
            split: place(embed(objective, dataset))
            for split, dataset in datasets.items()
            if split != "train"
        }
        found: dict[str, dict[str, Any]] = {split: {} for split in queries}
        told = []
        for budget in self.budgets:
            rows = self.chosen(train, budget)
            counts = np.unique(train.labels[rows], return_counts=True)[1]
            facts: dict[str, float] = {"rows": len(rows), "smallest_class": int(counts.min())}
            facts |= {"labels": len(rows) / len(counts)}
            name = "all" if budget is None else str(budget)
            gallery = _gallery(support, train, rows)
            for split, query in queries.items():
                scored = self._scored(gallery, query, datasets[split])
                found[split][name] = facts | scored
                shown = {head: figures.get("top1") for head, figures in scored.items()}
                shown |= {
                    f"recall of {head}'s index": figures["index_recall"]
                    for head, figures in scored.items()
                    if "index_recall" in figures
                }
                told.append({"split": split, "labels a class": name, **facts, **shown})
        table = Table("label_budgets.csv", pd.DataFrame(told))
        metrics = {split: {"label_budgets": budgets} for split, budgets in found.items()}
        return Evaluation(metrics, {}, [Section("Accuracy by labels a class", [table], 21)])

    def chosen(self, train: Dataset, budget: int | None) -> IntArray:
        """The training rows of a budget, those with a label; ascending."""
        if budget is None:
            return np.flatnonzero(train.labels >= 0)
        select = self.rows(per_class=budget)
        table = pd.DataFrame({"id": train.ids})
        rows: IntArray = select(table, train.labels, train.class_names, self.seed)
        return rows

    def check(self, _objective: Any, datasets: Mapping[str, Dataset]) -> None:
        """Raise, before anything is trained, what a head would raise of so many labels."""
        train = datasets.get("train")
        for budget in self.budgets:
            if train is None:
                return
            counts = np.unique(train.labels[train.labels >= 0], return_counts=True)[1]
            if budget is not None:
                counts = np.minimum(counts, budget)
            most = int(counts.max(initial=0))
            heads = [self._for(head, most) for head in self.heads.values()]
            check_heads(heads, int(counts.sum()))

    def _scored(self, gallery: Gallery, query: Tensor, dataset: Dataset) -> dict[str, Any]:
        """{head: figures} by the labels of some training rows."""
        split, found = all_rows(dataset), {}
        most = int(gallery.labels.bincount().max())
        for name, one in self.heads.items():
            head = self._for(one, most)
            ranking = ranked_by_head(head, gallery, query)
            figures = classify(ranking, gallery.class_names, split, {}).metrics()
            found[name] = figures | told_of(gallery.scores_by(head))[0]
        return found

    def _for(self, head: Any, most: int) -> Any:
        """The head, where limits_k is bound with no larger k than the labels of a class."""
        return replace(head, k=most) if self.limits_k and getattr(head, "k", 0) > most else head


def _gallery(support: Tensor, train: Dataset, rows: IntArray) -> Gallery:
    """Some training rows of the features [N, D] of all."""
    present, places = np.unique(train.labels[rows], return_inverse=True)
    names = tuple(train.class_names[i] for i in present)
    some = torch.from_numpy(rows).to(support.device)
    return Gallery(support[some], torch.from_numpy(places).to(support.device), names)


def _placing(features: Tensor) -> Callable[[Tensor], Tensor]:
    """What moves and scales features [N, D] as these are to be; a constant dimension stays 0."""
    mean, spread = features.mean(0), features.std(0)
    scale = torch.where(spread > 0, spread, torch.ones_like(spread))
    return lambda values: (values - mean) / scale
