"""The best outputs of each row, from scores that need not all be held at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fewshot.batch import IntArray
from fewshot.evaluation.gallery import Gallery
from fewshot.heads.probabilities import probabilities
from fewshot.interfaces import Head
from fewshot.progress import followed

TOP_K = 5
_CELLS = 1 << 24  # scores sorted, or given by a head, at a time: 128 MB in float64


@dataclass(frozen=True)
class Ranking:
    """best int64 [N, k]: the outputs with the highest scores [N, k], k = 5 or fewer outputs; loss:
    mean cross-entropy where the scores are logits and some row's class is an output; confidence
    [N]: the probability of the best output, where the scores are logits.
    """

    best: IntArray
    scores: NDArray[np.floating[Any]]
    loss: float | None = None
    confidence: NDArray[np.float32] | None = None


def ranked(scores: Tensor) -> Ranking:
    """Of scores [N, C]; equal ones rank in the order of the outputs."""
    if scores.shape[1] == 0:
        return Ranking(np.zeros((len(scores), 0), np.int64), np.zeros((len(scores), 0)))
    parts = [
        part.sort(dim=1, descending=True, stable=True)
        for part in scores.split(rows_at_a_time(scores.shape[1]))
    ]
    best = torch.cat([order[:, :TOP_K] for _, order in parts])
    highest = torch.cat([values[:, :TOP_K] for values, _ in parts])
    return Ranking(best.cpu().numpy(), highest.cpu().numpy())


def ranked_logits(scores: Tensor, outputs: Sequence[str], names: NDArray[np.object_]) -> Ranking:
    """The same, with probabilities and the loss against class names [N] (None: unlabelled)."""
    found = ranked(scores)
    if scores.shape[1]:
        found = replace(found, confidence=_largest_probabilities(scores))
    place = {name: i for i, name in enumerate(outputs)}
    targets = torch.tensor([place.get(name, -1) for name in names], device=scores.device)
    if not bool((targets >= 0).any()):
        return found
    loss = float(F.cross_entropy(scores.float(), targets, ignore_index=-1))
    return replace(found, loss=loss)


def _largest_probabilities(logits: Tensor) -> NDArray[np.float32]:
    parts = logits.split(rows_at_a_time(logits.shape[1]))
    # what is equal but for the last bits of a sum is, on any processor
    found = [probabilities(part).amax(1).float() for part in parts]
    return torch.cat(found).cpu().numpy()


def ranked_by_head(head: Head, gallery: Gallery, query: Tensor) -> Ranking:
    """Of a head's scores, for so many queries at a time that thousands of classes fit in memory.

    A transductive head, whose scores depend on the other queries, gets all of them at once.
    """
    together = getattr(head, "transductive", False)
    step = len(query) if together else rows_at_a_time(len(gallery.class_names))
    asked, scores = query.split(max(1, step)), gallery.scores_by(head)
    parts = [ranked(scores(part)) for part in followed(asked, "classifying", "parts")]
    best = np.concatenate([part.best for part in parts])
    return Ranking(best, np.concatenate([part.scores for part in parts]))


def rows_at_a_time(n_classes: int) -> int:
    """How many rows of scores are held at a time."""
    return max(1, _CELLS // max(1, n_classes))
