"""Prototypical networks: queries are classified by the nearest mean of a class's support."""

import gin
import torch
from torch import Tensor

from fewshot.objectives.episodic import EpisodicObjective


@gin.register
class PrototypicalNet(EpisodicObjective):
    """Softmax over minus the squared distance to each class's mean support feature.

    Prototypical networks (https://arxiv.org/abs/1703.05175); the paper trains with more classes an
    episode than it tests with. Evaluated by the head NearestPrototype. Options and errors as in
    EpisodicObjective.
    """

    def log_probabilities(self, support: Tensor, query: Tensor) -> Tensor:
        """Support [N, K, D] and query [Q, D] features -> log-probabilities [Q, N]."""
        prototypes = support.mean(1)
        # differences, not products: exact where the features lie far from the origin
        squared = (query.unsqueeze(1) - prototypes).square().sum(2)
        return torch.log_softmax(-squared, dim=1)
