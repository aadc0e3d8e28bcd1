"""What predictions say about the rows of a split: top-k overall and by class, confusions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot.batch import IntArray
from fewshot.errors import UserError
from fewshot.evaluation.frequency_groups import frequency_groups
from fewshot.evaluation.ranking import TOP_K, Ranking
from fewshot.evaluation.split_rows import SplitRows
from fewshot.reports.confusions import Confusions


@dataclass(frozen=True)
class Classified:
    """Rows, their classes and their best predictions.

    classes: the union of the outputs and the classes of the rows, sorted; ids [N]; truth int64 [N]
    into classes, -1 where unlabelled; trained bool [C], which classes are outputs; best int64
    [N, k] into classes and best_scores [N, k], k being 5 or the number of outputs if smaller;
    n_train: {class: training rows}; loss: mean cross-entropy over the rows whose class is an
    output, or None; confidence [N]: the first prediction's probability, None where there is none.
    """

    classes: tuple[str, ...]
    ids: NDArray[Any]
    truth: IntArray
    trained: NDArray[np.bool_]
    best: IntArray
    best_scores: NDArray[np.floating[Any]]
    n_train: Mapping[str, int] = field(default_factory=dict)
    loss: float | None = None
    confidence: NDArray[np.float32] | None = None

    @property
    def sureness(self) -> NDArray[np.floating[Any]]:
        """How sure each first prediction is [N]: its probability, or else its score."""
        return self.best_scores[:, 0] if self.confidence is None else self.confidence

    @property
    def sureness_name(self) -> str:
        """What `sureness` is."""
        return "score" if self.confidence is None else "probability"

    @property
    def known(self) -> NDArray[np.bool_]:
        """bool [N]: the row has a label."""
        return self.truth >= 0

    @property
    def tells_top5(self) -> bool:
        """Whether there are outputs enough for the first five to say something."""
        return int(self.trained.sum()) > TOP_K

    @property
    def top1(self) -> NDArray[np.bool_]:
        """bool [N]: the first prediction is right."""
        return np.equal(self.best[:, 0], self.truth)

    @property
    def top5(self) -> NDArray[np.bool_]:
        """bool [N]: one of the first five predictions is right."""
        right: NDArray[np.bool_] = (self.best == self.truth[:, None]).any(1)
        return right

    def metrics(self) -> dict[str, Any]:
        """n, top1, top5, mean_class_top1, ceiling, seen {...} and loss where there is one.

        All are over the labelled rows; n_unlabelled counts the others, where there are any, and is
        alone where no row has a label. ceiling: the share of rows whose class is an output; seen:
        the same figures over those rows alone. mean_class_top1 is over the classes that have rows.
        top5 is left out where there are five outputs or fewer, of which one is always right. Where
        classes differ much in training rows, by_training_rows has the groups of frequency_groups.
        """
        unlabelled = int((~self.known).sum())
        others = {"n_unlabelled": unlabelled} if unlabelled else {}
        if not self.known.any():
            return others
        seen = self.known & self.trained[self.truth]
        ceiling = float(seen.sum() / self.known.sum())
        found = self._accuracies(self.known) | {"ceiling": ceiling}
        if self.loss is not None:
            found["loss"] = self.loss
        groups = self._groups()
        if groups:
            found["by_training_rows"] = groups
        return found | {"seen": self._accuracies(seen) if seen.any() else {"n": 0}} | others

    def _groups(self) -> dict[str, dict[str, Any]]:
        truth, size = self.truth[self.known], len(self.classes)
        n = np.bincount(truth, minlength=size)
        right = np.bincount(truth, weights=self.top1[self.known], minlength=size).astype(float)
        outputs = {
            name: self.n_train.get(name, 0)
            for name, output in zip(self.classes, self.trained.tolist(), strict=True)
            if output
        }
        return frequency_groups(self.classes, n, right, outputs)

    def _accuracies(self, kept: NDArray[np.bool_]) -> dict[str, Any]:
        truth, top1 = self.truth[kept], self.top1[kept]
        n = np.bincount(truth, minlength=len(self.classes))
        right = np.bincount(truth, weights=top1, minlength=len(self.classes))
        found = {"n": int(kept.sum()), "top1": float(top1.mean())}
        if self.tells_top5:
            found["top5"] = float(self.top5[kept].mean())
        return found | {"mean_class_top1": float((right[n > 0] / n[n > 0]).mean())}

    def per_class(self) -> pd.DataFrame:
        """class, n, n_train, top1, top5; n_train is 0 exactly for classes that are no output.

        An output that the training split at hand does not hold (a model trained elsewhere) has no
        n_train; a class without rows has no accuracies; top5 is empty where `metrics` has none.
        """
        size, truth = len(self.classes), self.truth[self.known]
        n = np.bincount(truth, minlength=size)
        table: dict[str, Any] = {"class": list(self.classes), "n": n}
        known = zip(self.classes, self.trained.tolist(), strict=True)
        n_train = [self.n_train.get(name) if output else 0 for name, output in known]
        table["n_train"] = pd.array(n_train, dtype="Int64")
        for name, right in (("top1", self.top1), ("top5", self.top5)):
            hits = np.bincount(truth, weights=right[self.known], minlength=size)
            told = (n > 0) & (name == "top1" or self.tells_top5)
            table[name] = np.divide(hits, n, out=np.full(size, np.nan), where=told)
        return pd.DataFrame(table)

    def confusions(self) -> Confusions:
        """Who was taken for whom, among the labelled rows."""
        truth, predicted = self.truth[self.known], self.best[self.known, 0]
        return Confusions.of_rows(truth, predicted, len(self.classes))

    def predictions(self) -> pd.DataFrame:
        """id, label (empty where there is none), then class_1, score_1 ... class_5, score_5 (fewer
        with fewer outputs).
        """
        names = np.asarray([*self.classes, None], dtype=object)
        table: dict[str, Any] = {"id": self.ids, "label": names[self.truth]}
        for i in range(self.best.shape[1]):
            table[f"class_{i + 1}"] = names[self.best[:, i]]
            table[f"score_{i + 1}"] = self.best_scores[:, i]
        return pd.DataFrame(table)


def classify(
    ranking: Ranking, outputs: Sequence[str], rows: SplitRows, n_train: Mapping[str, int]
) -> Classified:
    """Compare the best outputs of each row with its label, by class name.

    Raises UserError when there are no outputs.
    """
    if len(outputs) == 0:
        raise UserError("there is no class to predict: the model was made without labelled rows.")
    classes = tuple(sorted(set(outputs) | set(rows.names[rows.known].tolist())))
    place: dict[str | None, int] = {name: i for i, name in enumerate(classes)} | {None: -1}
    columns = np.array([place[name] for name in outputs])
    trained = np.zeros(len(classes), dtype=bool)
    trained[columns] = True
    return Classified(
        classes=classes,
        ids=rows.ids,
        truth=np.array([place[name] for name in rows.names], dtype=np.int64),
        trained=trained,
        best=columns[ranking.best],
        best_scores=ranking.scores,
        n_train=n_train,
        loss=ranking.loss,
        confidence=ranking.confidence,
    )
