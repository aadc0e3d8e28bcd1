"""Matching networks: a query's class is an attention-weighted vote of the support images."""

import gin
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.objectives.episodic import EpisodicObjective


@gin.register
class MatchingNet(EpisodicObjective):
    """Softmax attention of each query over the support, summed class by class.

    Matching networks (https://arxiv.org/abs/1606.04080) without full context embeddings: a feature
    depends on its own image alone. Support features have length 1 and the query's length sets how
    sharp the attention is. Evaluated by the head MatchingAttention. Options and errors as in
    EpisodicObjective.
    """

    def log_probabilities(self, support: Tensor, query: Tensor) -> Tensor:
        """Support [N, K, D] and query [Q, D] features -> log-probabilities [Q, N]."""
        n_way, n_shot, _ = support.shape
        similarity = query @ F.normalize(support.flatten(0, 1), dim=1).T
        attention = torch.log_softmax(similarity, dim=1)
        return attention.view(len(query), n_way, n_shot).logsumexp(2)
