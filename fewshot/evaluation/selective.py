"""Which answers to trust: confidence that is calibrated, and a threshold for "unknown"."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

import gin
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot.batch import IntArray
from fewshot.errors import UserError
from fewshot.evaluation.calibration import fitted_temperature, uncalibrated_note
from fewshot.evaluation.classification import Classification
from fewshot.evaluation.gallery import embed_gallery, stratified_rows, told_of
from fewshot.evaluation.naming import checked_prefix
from fewshot.evaluation.refusals import check_heads, checked_head
from fewshot.evaluation.rejection import Promise, threshold_for
from fewshot.evaluation.scorers import ClassifierScorer, HeadScorer, Scorer
from fewshot.evaluation.selective_report import Answers, Rule, selective_report
from fewshot.evaluation.split_rows import has_labels, labelled_rows
from fewshot.heads.probabilities import probabilities
from fewshot.interfaces import Dataset, Evaluation, Head

_FITTED_ROWS = 10_000

logger = logging.getLogger("fewshot")


@gin.register
class SelectiveClassification:
    """How far confidence can be trusted, and below which an image is better called unknown.

    Confidence is the largest softmax probability of the scores divided by a temperature that is
    fitted on validation. The threshold, also from validation, is the lowest for which of what is
    answered at least the share `precision` is right (wrong are all answers to images of classes
    that were not trained), and at most the share `false_accept_rate` of images of unknown classes
    is answered; None asks for neither. Validation rows of untrained classes stand for the unknown;
    where there are none, each row does as it scores without its own class. Validation without a
    mistake tells no temperature, and by precision alone no threshold: none is kept. head: factory
    of a head whose scores over the training embeddings are judged, e.g. @KNN; None judges the
    objective's own, averaged over the variants of an image that Classification.mirrored and shift
    name. max_references: a stratified part of the gallery. prefix: of figures and files. Threshold
    and temperature go into the run's model.mdl where the scores are those it answers by: its own,
    or of a model that has none those of the head that the first of main.evaluators has.
    """

    monitors = False
    needs_labels = True

    def __init__(
        self,
        precision: float | None = 0.9,
        false_accept_rate: float | None = None,
        head: Callable[[], Head] | None = None,
        max_references: int | None = None,
        prefix: str = "",
    ) -> None:
        asked = {"precision": precision, "false_accept_rate": false_accept_rate}
        for name, share in asked.items():
            if share is not None and not 0 < share < 1:
                raise UserError(
                    f"SelectiveClassification.{name} is {share}: bind a share between 0 and 1, "
                    "e.g. 0.9 for precision or 0.1 for false_accept_rate, or None."
                )
        if precision is None and false_accept_rate is None:
            raise UserError(
                "SelectiveClassification.precision and false_accept_rate are both None: bind one."
            )
        self.promise = Promise(precision, false_accept_rate)
        self.head = checked_head("SelectiveClassification.head", head) if head else None
        self.max_references = max_references
        self.prefix = checked_prefix("SelectiveClassification", prefix)

    def check(self, objective: Any, datasets: Mapping[str, Dataset]) -> None:
        """Raise UserError, before anything is trained, where there are no scores to judge, and what
        the head would raise of so large a gallery.
        """
        if self.head is None and getattr(objective, "scores", None) is None:
            raise UserError(
                f"{type(objective).__name__} gives embeddings but no class scores: bind "
                "SelectiveClassification.head, e.g. @KNN."
            )
        train = datasets.get("train")
        if self.head is not None and train is not None:
            check_heads([self.head], len(stratified_rows(train.labels, self.max_references)))

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """Judge every split but "train" that has labels; raises UserError as `check` does."""
        self.check(objective, datasets)
        scorer = self._scorer(objective, datasets.get("train"))
        splits = {
            name: dataset
            for name, dataset in datasets.items()
            if name != "train" and has_labels(dataset)
        }
        validation = splits.get("validation")
        fitted = None if validation is None else _fitted(scorer, validation)
        temperature = 1.0 if fitted is None else fitted
        answers = {name: _answers(scorer, data, name, temperature) for name, data in splits.items()}
        threshold, imitated = None, False
        if validation is not None:
            found = answers["validation"]
            unknown = found.confidence[~found.known]
            imitated = self.promise.false_accepts is not None and len(unknown) == 0
            if imitated:
                unknown = _as_if_unknown(scorer, validation, temperature)
            threshold = threshold_for(self.promise, found.confidence, found.right, unknown)
            if threshold == 0 and found.right.all():
                threshold = None  # any keeps a promise that no row could break: none was found
        rule = Rule(self.promise, temperature, threshold, imitated, fitted is not None)
        if validation is not None and fitted is None:
            logger.info(uncalibrated_note(len(answers["validation"].right), threshold))
        report = selective_report(answers, rule, self.prefix)
        if isinstance(scorer, ClassifierScorer) and report.kept:
            variants = {"mirrored": scorer.mirrored, "shift": scorer.shift}
            report = dataclasses.replace(report, kept={**report.kept, **variants})
        if isinstance(scorer, HeadScorer):
            report = _with_search(report, scorer, self.prefix)
        if self.head is not None and getattr(objective, "scores", None) is not None:
            return dataclasses.replace(report, kept={})
        return report

    def _scorer(self, objective: Any, train: Dataset | None) -> Scorer:
        if self.head is None:
            same = gin.get_configurable(Classification)()  # what predict answers by, too
            return ClassifierScorer(objective, same.mirrored, same.shift)
        return HeadScorer(
            objective, self.head, embed_gallery(objective, train, self.max_references)
        )


def _with_search(report: Evaluation, scorer: HeadScorer, prefix: str) -> Evaluation:
    """The report, with what is to be told of how the head searches its gallery."""
    name = f"{prefix}selective"
    figures, search = told_of(scorer.gallery.scores_by(scorer.head))
    metrics = {split: {name: {**found[name], **figures}} for split, found in report.metrics.items()}
    return dataclasses.replace(report, metrics=metrics, sections=[*report.sections, *search])


def _known_rows(scorer: Scorer, dataset: Dataset, split: str) -> tuple[IntArray, IntArray]:
    """Rows whose class is an answer, a stratified part of at most 10,000, and their classes."""
    found = labelled_rows(dataset, split)
    place = {name: i for i, name in enumerate(scorer.class_names)}
    truth = np.array([place.get(name, -1) for name in found.names], dtype=np.int64)
    kept = stratified_rows(truth, _FITTED_ROWS)
    return found.rows[kept], truth[kept]


def _fitted(scorer: Scorer, validation: Dataset) -> float | None:
    rows, truth = _known_rows(scorer, validation, "validation")
    if len(rows) == 0:
        return None
    scores = torch.cat(list(scorer.scores(validation, rows)))
    return fitted_temperature(scores, torch.from_numpy(truth).to(scores.device), scorer.shares)


def _as_if_unknown(scorer: Scorer, dataset: Dataset, temperature: float) -> NDArray[np.float64]:
    """Confidence of each row were its class unknown."""
    rows, truth = _known_rows(scorer, dataset, "validation")
    parts = [
        _confidence(scores, temperature, scorer.shares)
        for scores in scorer.without_own_class(dataset, rows, truth)
    ]
    return np.concatenate([np.zeros(0), *parts])


def _answers(scorer: Scorer, dataset: Dataset, split: str, temperature: float) -> Answers:
    found = labelled_rows(dataset, split)
    names = np.asarray(scorer.class_names, dtype=object)
    plain, scaled, best = [], [], []
    for scores in scorer.scores(dataset, found.rows):
        plain.append(_confidence(scores, 1.0, scorer.shares))
        scaled.append(_confidence(scores, temperature, scorer.shares))
        best.append(scores.argmax(1).cpu().numpy())
    known = np.isin(found.names.astype(str), names.astype(str))
    right = names[np.concatenate(best)] == found.names
    return Answers(np.concatenate(scaled), np.concatenate(plain), right, known)


def _confidence(scores: Tensor, temperature: float, shares: bool) -> NDArray[np.float64]:
    """The largest probability of each row; 0 where no class is an answer."""
    largest = probabilities(scores, temperature, shares).amax(1)
    return largest.nan_to_num(nan=0.0).cpu().numpy()
