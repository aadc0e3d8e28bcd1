"""Classification by comparing embeddings with those of the training split."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gin
import numpy as np
import torch
from torch import Tensor

from fewshot.errors import UserError
from fewshot.evaluation.classification_metrics import Classified, classify
from fewshot.evaluation.classification_report import classification_report, figure_names
from fewshot.evaluation.few_shot_report import head_name
from fewshot.evaluation.gallery import Gallery, embed_gallery, stratified_rows, told_of
from fewshot.evaluation.head_choice import choose_head, warn_of_lopsided
from fewshot.evaluation.inference import embed
from fewshot.evaluation.naming import checked_prefix, prefixed
from fewshot.evaluation.pictured import Source
from fewshot.evaluation.ranking import ranked_by_head
from fewshot.evaluation.refusals import check_heads, checked_head
from fewshot.evaluation.split_rows import SplitRows, all_rows, rows_of_classes
from fewshot.heads.knn import EXACT_ROWS, KNN, check_options, check_references
from fewshot.heads.prototypes import NearestPrototype
from fewshot.interfaces import Dataset, Evaluation, Head

Groups = Mapping[str, Sequence[str] | Callable[[], Dataset]]


@gin.register
class GalleryClassification:
    """A head over embeddings: the training split is the gallery, every other split is classified.

    head: factory of a head, e.g. @LogisticRegression (default @NearestPrototype), or several, of
    which the gallery itself chooses one: that of the highest mean_class_top1 in five-fold
    cross-validation. A gallery in which one class has ten times the rows of another is warned
    about. max_references:
    a stratified part of the gallery of at most so many rows, for monitoring. prefix: put before
    every figure's and file's name. groups: {name: class names, or a factory of a dataset that has
    those classes}; the test rows of a group are reported as `groups/<name>/joint` (against the
    whole gallery) and `closed` (against the part of the gallery that belongs to the group).
    """

    monitors = True
    needs_labels = True
    owner = "KNN"  # by what name the head's k is bound
    title: str | None = None  # of the table by class; None: the head's name

    def __init__(
        self,
        head: Callable[[], Head] | Sequence[Callable[[], Head]] | None = None,
        max_references: int | None = None,
        prefix: str = "",
        groups: Groups | None = None,
    ) -> None:
        owner = type(self).__name__
        factories = head or gin.get_configurable(NearestPrototype)
        factories = factories if isinstance(factories, list | tuple) else [factories]
        built = [checked_head(f"{owner}.head", factory) for factory in factories]
        self.heads = {head_name(one): one for one in built}
        if len(self.heads) < len(factories):
            raise UserError(f"{owner}.head has a head twice: name each once.")
        self.head = built[0]  # until a gallery has chosen among several
        self.max_references = max_references
        self.prefix = checked_prefix(owner, prefix)
        self.groups = {
            name: set(group().class_names if callable(group) else group)
            for name, group in (groups or {}).items()
        }

    def check(self, _objective: Any, datasets: Mapping[str, Dataset]) -> None:
        """Raise, before anything is trained, what too small a gallery or group would raise."""
        gallery = datasets.get("train")
        if gallery is not None and len(datasets) > 1:
            references = len(stratified_rows(gallery.labels, self.max_references))
            for head in self.heads.values():
                check_references(self.owner, getattr(head, "k", 1), references)
            check_heads(self.heads.values(), references)
            warn_of_lopsided(self.heads, rows_of_classes(gallery))
        train, test = rows_of_classes(gallery), rows_of_classes(datasets.get("test"))
        for name, group in self.groups.items() if test else ():
            rows = [
                sum(n for label, n in split.items() if label in group) for split in (test, train)
            ]
            self._check_group(name, *rows)

    def figures(self, _objective: Any, datasets: Mapping[str, Dataset]) -> set[str]:
        """The names of what the validation split may get."""
        outputs = len(rows_of_classes(datasets.get("train")))
        return figure_names(outputs, datasets["validation"], self.prefix)

    def _check_group(self, name: str, test_rows: int, train_rows: int) -> None:
        least = max(1, getattr(self.head, "k", 1))
        if test_rows == 0 or train_rows < least:
            raise UserError(
                f"group '{name}' of {type(self).__name__}.groups has {test_rows} test rows and "
                f"{train_rows} training rows, and needs 1 and {least}: name classes that have them."
            )

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """Evaluate every split but "train"; rows without a label are predicted only.

        Raises UserError without a labelled gallery.
        """
        gallery = embed_gallery(objective, datasets.get("train"), self.max_references)
        n_train = rows_of_classes(datasets.get("train"))
        self.head, choice = choose_head(self.heads, gallery, self.prefix)
        results, groups = {}, {}
        for split, dataset in datasets.items():
            if split == "train":
                continue
            rows = all_rows(dataset)
            query = embed(objective, dataset)
            results[split] = self._classify(gallery, query, rows, n_train)
            if split == "test" and rows.known.any():
                groups = {
                    name: self._group(name, gallery, query, rows, n_train) for name in self.groups
                }
        cosine = getattr(self.head, "metric", None) == "cosine"
        source = Source(objective, datasets, self.max_references, cosine, neighbours=True)
        title = f"{type(self.head).__name__}, per class" if self.title is None else self.title
        report = classification_report(results, self.prefix, title, source=source)
        figures, search = told_of(gallery.scores_by(self.head), self.prefix)
        metrics = {split: {**report.metrics[split], **figures} for split in results}
        if groups:
            metrics["test"] |= prefixed({"groups": groups}, self.prefix)
        sections = [*choice, *report.sections, *search]
        return replace(report, metrics=metrics, sections=sections)

    def _classify(
        self, gallery: Gallery, query: Tensor, rows: SplitRows, n_train: Mapping[str, int]
    ) -> Classified:
        ranking = ranked_by_head(self.head, gallery, query)
        return classify(ranking, gallery.class_names, rows, n_train)

    def _group(
        self,
        name: str,
        gallery: Gallery,
        query: Tensor,
        rows: SplitRows,
        n_train: Mapping[str, int],
    ) -> dict[str, Any]:
        group = self.groups[name]
        kept = np.flatnonzero([name in group for name in rows.names])
        closed = gallery.only(group)
        self._check_group(name, len(kept), len(closed.features))
        part = rows.only(kept)
        some = query[torch.from_numpy(kept).to(query.device)]
        return {
            "joint": self._classify(gallery, some, part, n_train).metrics(),
            "closed": {
                **self._classify(closed, some, part, n_train).metrics(),
                **told_of(closed.scores_by(self.head))[0],
            },
        }


@gin.register
class KNNClassification(GalleryClassification):
    """k nearest neighbours over embeddings, the training split being the gallery.

    k, weights ('uniform' or 'distance'), metric ('euclidean' or 'cosine'), class_balanced and
    exact_rows are those of the `KNN` head; the rest as in `GalleryClassification`.
    """

    owner = "KNNClassification"

    def __init__(
        self,
        k: int = 5,
        weights: str = "uniform",
        metric: str = "euclidean",
        class_balanced: bool = False,
        max_references: int | None = None,
        prefix: str = "",
        groups: Groups | None = None,
        exact_rows: int = EXACT_ROWS,
    ) -> None:
        check_options(self.owner, k, weights, metric)
        head = KNN(k, weights, metric, class_balanced, exact_rows)
        super().__init__(lambda: head, max_references, prefix, groups)
        self.title = "k-NN, per class"
