"""What is said of confidence and of what a threshold leaves unanswered."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from fewshot.evaluation.calibration import Reliability, reliability, uncalibrated_note
from fewshot.evaluation.confidence_pictures import Artifacts, reliability_blocks, risk_blocks
from fewshot.evaluation.naming import reported_split, titled
from fewshot.evaluation.rejection import Promise, RiskCoverage, risk_coverage
from fewshot.interfaces import Evaluation
from fewshot.sections import Block, Note, Picture, Section, Table


@dataclass(frozen=True)
class Rule:
    """How confidence is computed and from where on it is an answer.

    threshold: None where none keeps the promise, or there is no validation split. imitated: whether
    validation rows, scored without their own class, stood for images of unknown classes. fitted:
    whether validation told the temperature.
    """

    promise: Promise
    temperature: float
    threshold: float | None
    imitated: bool
    fitted: bool

    def kept(self) -> dict[str, float]:
        """What a model file is to hold: nothing without a threshold."""
        if self.threshold is None:
            return {}
        return {"threshold": self.threshold, "temperature": self.temperature}


@dataclass(frozen=True)
class Answers:
    """Of the labelled rows of a split [N]: confidence at the fitted temperature and uncalibrated at
    1, whether the best class is right, and whether the row's class is known: one of the answers.
    """

    confidence: NDArray[np.float64]
    uncalibrated: NDArray[np.float64]
    right: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @cached_property
    def curve(self) -> RiskCoverage:
        """Over all rows: what is answered to an unknown class is wrong."""
        return risk_coverage(self.confidence, self.right)

    def reliabilities(self) -> dict[str, Reliability]:
        """Before and after the temperature, of the rows of known classes."""
        pairs = {"before": self.uncalibrated, "after": self.confidence}
        return {
            name: reliability(v[self.known], self.right[self.known]) for name, v in pairs.items()
        }

    def figures(self, threshold: float | None) -> dict[str, Any]:
        """n, n_unknown, auroc_unknown (nan without both kinds), aurc, the calibration error before
        and after, and what a threshold answers.
        """
        found: dict[str, Any] = {"n": len(self.right), "n_unknown": int((~self.known).sum())}
        if 0 < found["n_unknown"] < found["n"]:
            # what is equal but for the last bits of a sum is, on any processor
            equal = self.confidence.astype(np.float32)
            found["auroc_unknown"] = float(roc_auc_score(self.known, equal))
        found["aurc"] = self.curve.area
        if self.known.any():
            for name, one in self.reliabilities().items():
                found[f"ece_{name}"] = one.error
        return found | ({} if threshold is None else self._answered(threshold))

    def _answered(self, threshold: float) -> dict[str, Any]:
        answered = self.confidence >= threshold
        found: dict[str, Any] = {"answered": float(answered.mean())}
        if answered.any():
            found["precision"] = float(self.right[answered].mean())
        for name, rows in (("answered_known", self.known), ("answered_unknown", ~self.known)):
            if rows.any():
                found[name] = float(answered[rows].mean())
        return found


def selective_report(answers: Mapping[str, Answers], rule: Rule, prefix: str = "") -> Evaluation:
    """The Evaluation; pictures are of the reported split."""
    figures = {split: found.figures(rule.threshold) for split, found in answers.items()}
    if "validation" in figures:
        figures["validation"] |= {"temperature": rule.temperature, "threshold": rule.threshold}
    metrics = {split: {f"{prefix}selective": found} for split, found in figures.items()}
    split = reported_split(answers)
    if split is None:
        return Evaluation(metrics)
    table = pd.DataFrame([{"split": name, **found} for name, found in figures.items()])
    table = table.drop(columns=["temperature", "threshold"], errors="ignore")
    artifacts, pictures = _pictures(answers[split], rule.threshold, split, prefix)
    blocks: list[Block] = [
        Table(f"tables/{prefix}selective_classification.csv", table, _meaning(table)),
        Note(_said(rule, "validation" in answers, figures.get("validation", {}))),
        *pictures,
    ]
    section = Section(titled(prefix, 'Confidence and "unknown"'), blocks, 28)
    return Evaluation(metrics, artifacts, [section], rule.kept())


_MEANINGS = {
    "n_unknown": "unknown: rows of classes that were not trained, to which every answer is wrong.",
    "auroc_unknown": "auroc_unknown: how often an image of a known class has more confidence than "
    "one of an unknown class.",
    "aurc": "aurc: area under the risk-coverage curve.",
    "ece_before": "ece: expected calibration error of known classes' rows, before and after the "
    "temperature.",
    "answered": "answered, precision: by the threshold.",
}


def _meaning(table: pd.DataFrame) -> str:
    """What the columns mean that the table has."""
    return " ".join(text for name, text in _MEANINGS.items() if name in table)


def _said(rule: Rule, validated: bool, figures: Mapping[str, Any]) -> str:
    """What was asked for, and what came of it."""
    if not validated:
        return (
            "There is no labelled validation split, so there is no threshold and confidence is as "
            "the model gives it: bind main.validation_fraction or a validation CSV."
        )
    unknown = (
        " (for images of unknown classes stood validation rows, as they score without their class)"
        if rule.imitated
        else ""
    )
    asked = f"that {rule.promise} on validation{unknown}"
    uncalibrated = uncalibrated_note(figures["n"], rule.threshold)
    if rule.threshold is None:
        if not rule.fitted:
            return uncalibrated
        return (
            f"No threshold reaches {asked}: none is stored, and the model answers everything. Ask "
            "for less: bind SelectiveClassification.precision or false_accept_rate."
        )
    found = f"Confidence is at temperature {rule.temperature:.3g}." if rule.fitted else uncalibrated
    if rule.threshold == 0:
        return f"{found} Everything may be answered and it holds {asked}: nothing is unknown."
    return (
        f"{found} Below {rule.threshold:.4f} the answer is 'unknown': the lowest threshold so "
        f"{asked}, of which {figures['answered']:.4f} is answered."
    )


def _pictures(
    found: Answers, threshold: float | None, split: str, prefix: str
) -> tuple[Artifacts, list[Block]]:
    curves = {"all rows": found.curve}
    known = found.known
    if known.any() and not known.all():
        curves["rows of known classes"] = risk_coverage(found.confidence[known], found.right[known])
    answered = None if threshold is None else float((found.confidence >= threshold).mean())
    caption = f"What is wrong of what is answered, {split} split"
    artifacts, blocks = risk_blocks(
        curves, answered, Picture(f"{prefix}risk_coverage.png", caption)
    )
    if known.any():
        caption = f"Confidence and accuracy of rows of known classes, {split} split"
        more, others = reliability_blocks(
            **found.reliabilities(), picture=Picture(f"{prefix}reliability.png", caption)
        )
        artifacts, blocks = artifacts | more, blocks + others
    return artifacts, blocks
