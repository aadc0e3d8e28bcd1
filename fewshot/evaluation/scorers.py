"""Where scores of a split's images come from: the objective itself, or a head over a gallery."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from fewshot.batch import IntArray
from fewshot.evaluation.gallery import Gallery
from fewshot.evaluation.inference import embed, score
from fewshot.evaluation.ranking import rows_at_a_time
from fewshot.heads.against import Scores
from fewshot.interfaces import Dataset, Head


class Scorer(Protocol):
    """Scores [n, C] of images over class names [C], so many images at a time as fit in memory."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes it can answer with."""
        ...

    @property
    def shares(self) -> bool:
        """Whether scores are shares of votes, no logits."""
        ...

    def scores(self, dataset: Dataset, rows: IntArray) -> Iterator[Tensor]:
        """Of some rows of a data set, in their order."""
        ...

    def without_own_class(
        self, dataset: Dataset, rows: IntArray, truth: IntArray
    ) -> Iterator[Tensor]:
        """The rows' scores, in any order, as if the class of each, truth [N], were none of the
        classes: what images of unknown classes would get.
        """
        ...


@dataclass(frozen=True)
class ClassifierScorer:
    """The objective's own scores, averaged over variants of an image as `inference.score` has it;
    the class is left out of what it may answer.
    """

    objective: Any
    mirrored: bool = False
    shift: int = 0

    shares: ClassVar[bool] = False

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the scores."""
        return tuple(self.objective.class_names)

    def scores(self, dataset: Dataset, rows: IntArray) -> Iterator[Tensor]:
        """See Scorer."""
        found = score(self.objective, dataset, rows=rows, mirrored=self.mirrored, shift=self.shift)
        yield from found.split(rows_at_a_time(found.shape[1]))

    def without_own_class(
        self, dataset: Dataset, rows: IntArray, truth: IntArray
    ) -> Iterator[Tensor]:
        """See Scorer."""
        start = 0
        for part in self.scores(dataset, rows):
            own = torch.from_numpy(truth[start : start + len(part)]).to(part.device)
            yield part.scatter(1, own.unsqueeze(1), -torch.inf)
            start += len(part)


@dataclass(frozen=True)
class HeadScorer:
    """A head over a gallery; the class is left out of the gallery."""

    objective: Any
    head: Head
    gallery: Gallery

    @property
    def class_names(self) -> tuple[str, ...]:
        """Those of the gallery."""
        return self.gallery.class_names

    @property
    def shares(self) -> bool:
        """As the head says."""
        return bool(getattr(self.head, "shares", False))

    def scores(self, dataset: Dataset, rows: IntArray) -> Iterator[Tensor]:
        """See Scorer."""
        query = embed(self.objective, dataset, rows=rows)
        scores = self.gallery.scores_by(self.head)
        for part in query.split(rows_at_a_time(len(self.class_names))):
            yield scores(part)

    def without_own_class(
        self, dataset: Dataset, rows: IntArray, truth: IntArray
    ) -> Iterator[Tensor]:
        """See Scorer."""
        query, gallery = embed(self.objective, dataset, rows=rows), self.gallery
        for label in np.unique(truth).tolist():
            others = gallery.labels != label
            some = query[torch.from_numpy(truth == label).to(query.device)]
            if int(others.sum()) >= max(1, getattr(self.head, "k", 1)):
                found = self._without(label, others)(some)
                found[:, label] = -torch.inf
                yield found

    def _without(self, label: int, others: Tensor) -> Scores:
        """The head's scores by the others of the gallery's rows, which are not of this class."""
        whole: Any = self.gallery.scores_by(self.head)
        if hasattr(whole, "without"):
            found: Scores = whole.without(label)
            return found
        support = self.gallery.features[others], self.gallery.labels[others]
        return lambda query: self.head(*support, query, len(self.class_names))
