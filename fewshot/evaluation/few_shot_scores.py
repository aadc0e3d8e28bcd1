"""Heads over batches of episodes whose features are already there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot.errors import UserError
from fewshot.evaluation.episodes import DrawnEpisodes
from fewshot.evaluation.intervals import over_episodes
from fewshot.evaluation.threads import in_threads
from fewshot.reports.confusions import Confusions

Head = Callable[[Tensor, Tensor, Tensor, int], Tensor]

_CELLS = 1 << 21  # features gathered at a time: 8 MB in float32, which stays in a cache


@dataclass(frozen=True)
class EpisodeScores:
    """accuracies float64 [E]; confusions: of the queries of all episodes."""

    accuracies: NDArray[np.float64]
    confusions: Confusions

    def summary(self) -> dict[str, Any]:
        """mean and 95 % confidence interval over the n episodes."""
        return over_episodes(self.accuracies)


def score_episodes(
    head: Head, features: Tensor, episodes: DrawnEpisodes, n_classes: int
) -> EpisodeScores:
    """Classify the queries of every episode, features [N, D] being indexed by the episodes' rows.

    The answer does not depend on how many episodes are scored at a time, or by how many threads.
    """
    n_way = episodes.classes.shape[1]
    device = features.device
    n_support, n_query = episodes.support.shape[1], episodes.query.shape[1]
    support_labels, truth = (
        torch.arange(n_way, device=device).repeat_interleave(n // n_way)
        for n in (n_support, n_query)
    )
    at_a_time = max(1, _CELLS // ((n_support + n_query) * features.shape[1]))

    def score(part: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Accuracies [len(part)] of some episodes, the cells true * C + predicted, how often."""
        support, query = episodes.support[part], episodes.query[part]
        labels = support_labels.expand(len(part), -1)
        scores = head(_rows(features, support), labels, _rows(features, query), n_way)
        if bool(scores.isnan().any()):
            raise UserError(
                f"{type(head).__name__} gave scores that are no numbers: an option of it is out of "
                "range, or the features are too long for it (L2-normalise or whiten them)."
            )
        guessed = scores.argmax(-1)
        classes = episodes.classes[part].to(device)
        confused = classes[:, truth] * n_classes + classes.gather(1, guessed)
        cells, counts = confused.unique(return_counts=True)
        return (guessed == truth).double().mean(1), cells, counts

    parts = torch.arange(len(episodes.classes)).split(at_a_time)
    found = zip(*in_threads(score, parts, device), strict=True)
    accuracies, cells, counts = (torch.cat(parts).cpu().numpy() for parts in found)
    return EpisodeScores(accuracies, Confusions.of_cells(cells, counts, n_classes))


def _rows(features: Tensor, rows: Tensor) -> Tensor:
    """features [N, D] at rows [E, n] -> [E, n, D]."""
    flat = rows.flatten().to(features.device)
    return features.index_select(0, flat).view(*rows.shape, features.shape[1])
