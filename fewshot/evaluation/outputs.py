"""A split together with what one objective makes of its images, each image computed once."""

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot.batch import IntArray
from fewshot.interfaces import Dataset, Evaluation, Evaluator
from fewshot.progress import followed

logger = logging.getLogger("fewshot")

Compute = Callable[[IntArray], Tensor]
Made = TypeVar("Made")
Output = str | tuple[str, bool, int]  # of an objective: "embedding", or scores of which variants
# (split, output, rows in a batch, what computes rows alone) -> what computes them
Lead = Callable[[str, Output, int, Compute], Compute]


class KeptRows:
    """Rows of a [size, D] output, computed when first asked for and kept until released."""

    def __init__(self, size: int) -> None:
        self._places = np.full(size, -1, dtype=np.int64)
        self._values: Tensor | None = None

    def take(self, rows: IntArray, compute: Compute) -> Tensor:
        """[len(rows), D] in the order of the rows; `compute` is asked only for those not yet kept.

        The answer may be what is kept itself: it is not to be written to.
        """
        wanted = np.unique(rows)
        missing = wanted[self._places[wanted] < 0]
        if len(missing) or self._values is None:
            found = compute(missing)
            known = 0 if self._values is None else len(self._values)
            self._places[missing] = known + np.arange(len(missing))
            self._values = found if self._values is None else torch.cat([self._values, found])
        places = self._places[rows]
        if np.array_equal(places, np.arange(len(self._values))):
            return self._values
        return self._values[torch.from_numpy(places).to(self._values.device)]


class EvaluatedSplit:
    """A dataset whose embeddings and scores by one objective are shared by all evaluators.

    It is a Dataset itself: `inference.embed` and `inference.score` find what is kept here. What is
    kept is float32 [N, D] on the objective's device, released with this object. name: of the split;
    lead: has several processes compute what is missing.
    """

    def __init__(
        self, objective: Any, dataset: Dataset, name: str = "", lead: Lead | None = None
    ) -> None:
        self.objective, self._name, self._lead = objective, name, lead
        self.dataset = dataset
        self.ids, self.labels, self.class_names = dataset.ids, dataset.labels, dataset.class_names
        self.image_size, self.channels = dataset.image_size, dataset.channels
        self.further = dataset.further
        self._kept: dict[Any, KeptRows] = {}
        self._made: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.dataset)

    def images(self, rows: IntArray) -> Tensor:
        """uint8 [len(rows), C, H, W]."""
        return self.dataset.images(rows)

    def image_digests(self) -> IntArray:
        """int64 [rows], equal for rows whose images are equal in every pixel."""
        return self.dataset.image_digests()

    def column(self, name: str) -> NDArray[np.object_]:
        """What a further column of the CSV says, a string a row, '' where it is blank."""
        return self.dataset.column(name)

    def take(self, output: Output, rows: IntArray, compute: Compute, chunk: int) -> Tensor:
        """Rows of one of the objective's outputs, computed in batches of so many; see KeptRows."""
        if self._lead is not None:
            compute = self._lead(self._name, output, chunk, compute)
        return self._kept.setdefault(output, KeptRows(len(self))).take(rows, compute)

    def once(self, name: Hashable, make: Callable[[], Made]) -> Made:
        """What is made of this split under a name, for all evaluators the first one's."""
        if name not in self._made:
            self._made[name] = make()
        made: Made = self._made[name]
        return made


def evaluated(
    objective: Any, datasets: Mapping[str, Dataset], lead: Lead | None = None
) -> dict[str, EvaluatedSplit]:
    """The splits of one evaluation by one state of the objective, which must not change within."""
    return {name: EvaluatedSplit(objective, data, name, lead) for name, data in datasets.items()}


def findings(
    evaluators: Sequence[Evaluator], objective: Any, splits: Mapping[str, EvaluatedSplit]
) -> list[Evaluation]:
    """What each evaluator finds: all figures."""
    return [e(objective, splits) for e in followed(evaluators, "evaluating", "evaluators")]


def with_images(found: Sequence[Evaluation]) -> list[Evaluation]:
    """With all that is only looked at when a run ends; what cannot be made of it is a warning.

    That comes after the last figure, so that pictures find the embeddings that figures need.
    """
    return [_whole(evaluation) for evaluation in followed(found, "images to show", "evaluators")]


def _whole(evaluation: Evaluation) -> Evaluation:
    try:
        return evaluation.whole()
    except Exception as error:  # of any kind: the figures are safe
        reason = " ".join(str(error).split()) or type(error).__name__
        logger.warning("what shows an evaluation could not be made: %s", reason)
        return evaluation
