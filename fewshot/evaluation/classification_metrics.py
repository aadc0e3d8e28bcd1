"""What a matrix of scores says about labelled rows: top-k overall and by class, confusions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.interfaces import Dataset, IntArray

TOP_K = 5


@dataclass(frozen=True)
class Labelled:
    """The rows of a split that have a label: row numbers [N], ids [N] and class names [N]."""

    rows: IntArray
    ids: NDArray[Any]
    labels: NDArray[np.object_]


def labelled(dataset: Dataset, split: str) -> Labelled:
    """The labelled rows of the split; raises UserError when there are none."""
    rows = np.flatnonzero(dataset.labels >= 0)
    if len(dataset.class_names) == 0 or len(rows) == 0:
        raise UserError(
            f"the {split} split has no labelled row, which its evaluation needs: bind "
            f"FashionDataset.label_column, or remove this evaluator from main.evaluators."
        )
    names = np.asarray(dataset.class_names, dtype=object)
    return Labelled(rows, dataset.ids[rows], names[dataset.labels[rows]])


def class_counts(dataset: Dataset | None) -> dict[str, int]:
    """{class: labelled rows} of a dataset, the classes without rows left out; {} for None."""
    if dataset is None:
        return {}
    counts = np.bincount(dataset.labels[dataset.labels >= 0], minlength=len(dataset.class_names))
    return {name: int(n) for name, n in zip(dataset.class_names, counts, strict=True) if n}


@dataclass(frozen=True)
class Classified:
    """Rows, their classes and their best predictions.

    classes: the union of the outputs and the classes of the rows, sorted; ids [N]; truth int64 [N]
    into classes; trained bool [C], which classes are outputs; best int64 [N, k] into classes and
    best_scores [N, k], k being 5 or the number of outputs if smaller; n_train: {class: training
    rows}; loss: mean cross-entropy over the rows whose class is an output, or None.
    """

    classes: tuple[str, ...]
    ids: NDArray[Any]
    truth: IntArray
    trained: NDArray[np.bool_]
    best: IntArray
    best_scores: NDArray[np.floating[Any]]
    n_train: Mapping[str, int] = field(default_factory=dict)
    loss: float | None = None

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

        ceiling: the share of rows whose class is an output; seen: the same figures over those
        rows alone. mean_class_top1 is over the classes that have rows.
        """
        seen = self.trained[self.truth]
        found = self._accuracies(np.ones_like(seen)) | {"ceiling": float(seen.mean())}
        if self.loss is not None:
            found["loss"] = self.loss
        return found | {"seen": self._accuracies(seen) if seen.any() else {"n": 0}}

    def _accuracies(self, kept: NDArray[np.bool_]) -> dict[str, Any]:
        truth, top1 = self.truth[kept], self.top1[kept]
        n = np.bincount(truth, minlength=len(self.classes))
        right = np.bincount(truth, weights=top1, minlength=len(self.classes))
        return {
            "n": int(kept.sum()),
            "top1": float(top1.mean()),
            "top5": float(self.top5[kept].mean()),
            "mean_class_top1": float((right[n > 0] / n[n > 0]).mean()),
        }

    def per_class(self) -> pd.DataFrame:
        """class, n, n_train, top1, top5; n_train is 0 exactly for classes that are no output.

        An output that the training split at hand does not hold (a model trained elsewhere) has no
        n_train; a class without rows has no accuracies.
        """
        size = len(self.classes)
        n = np.bincount(self.truth, minlength=size)
        table: dict[str, Any] = {"class": list(self.classes), "n": n}
        known = zip(self.classes, self.trained.tolist(), strict=True)
        n_train = [self.n_train.get(name) if output else 0 for name, output in known]
        table["n_train"] = pd.array(n_train, dtype="Int64")
        for name, right in (("top1", self.top1), ("top5", self.top5)):
            hits = np.bincount(self.truth, weights=right, minlength=size)
            table[name] = np.divide(hits, n, out=np.full(size, np.nan), where=n > 0)
        return pd.DataFrame(table)

    def confusion(self) -> IntArray:
        """Counts [C, C], row: true class, column: first prediction."""
        size = len(self.classes)
        cells = np.bincount(self.truth * size + self.best[:, 0], minlength=size * size)
        return cells.reshape(size, size)

    def predictions(self) -> pd.DataFrame:
        """id, label, then class_1, score_1 ... class_5, score_5 (fewer with fewer outputs)."""
        names = np.asarray(self.classes, dtype=object)
        table: dict[str, Any] = {"id": self.ids, "label": names[self.truth]}
        for i in range(self.best.shape[1]):
            table[f"class_{i + 1}"] = names[self.best[:, i]]
            table[f"score_{i + 1}"] = self.best_scores[:, i]
        return pd.DataFrame(table)


def classify(
    scores: Tensor,
    outputs: Sequence[str],
    rows: Labelled,
    n_train: Mapping[str, int],
    logits: bool = False,
) -> Classified:
    """Compare scores [N, len(outputs)] with the rows' labels, by class name.

    logits: whether softmax(scores) are probabilities, so that there is a loss. Equal scores rank
    in the order of the outputs. Raises UserError when there are no outputs.
    """
    if len(outputs) == 0:
        raise UserError("there is no class to predict: the model was made without labelled rows.")
    classes = tuple(sorted(set(outputs) | set(rows.labels.tolist())))
    place = {name: i for i, name in enumerate(classes)}
    columns = np.array([place[name] for name in outputs])
    truth = np.array([place[name] for name in rows.labels], dtype=np.int64)
    k = min(TOP_K, len(outputs))
    ordered, order = scores.sort(dim=1, descending=True, stable=True)
    trained = np.zeros(len(classes), dtype=bool)
    trained[columns] = True
    return Classified(
        classes=classes,
        ids=rows.ids,
        truth=truth,
        trained=trained,
        best=columns[order[:, :k].cpu().numpy()],
        best_scores=ordered[:, :k].cpu().numpy(),
        n_train=n_train,
        loss=_loss(scores, outputs, rows) if logits else None,
    )


def _loss(scores: Tensor, outputs: Sequence[str], rows: Labelled) -> float | None:
    place = {name: i for i, name in enumerate(outputs)}
    targets = torch.tensor([place.get(name, -1) for name in rows.labels], device=scores.device)
    if not bool((targets >= 0).any()):
        return None
    return float(F.cross_entropy(scores.float(), targets, ignore_index=-1))
