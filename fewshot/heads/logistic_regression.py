"""Multinomial logistic regression on frozen features, a whole batch of episodes at once."""

from dataclasses import dataclass
from typing import ClassVar

import gin
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.heads.geometry import full_precision


def logistic_regression(
    support: Tensor,
    labels: Tensor,
    query: Tensor,
    n_classes: int,
    c: float = 1.0,
    tolerance: float = 1e-5,
    max_iterations: int = 2000,
) -> Tensor:
    """Logits of the classifier that minimises ||W||^2 / 2 + c * sum of cross-entropies.

    support [..., S, D], labels int64 [..., S], query [..., Q, D] -> [..., Q, n_classes]; leading
    dimensions are episodes. The intercept is not regularised, as in scikit-learn, whose objective
    this is. Solved by accelerated gradient steps in the metric of Bohning's fixed upper bound on
    the Hessian (https://doi.org/10.1007/BF00048682): deterministic, one Cholesky factor an episode.
    An episode stops when a step moves its logits' scale by less than the tolerance.
    """
    with full_precision(support):
        if support.shape[-1] > support.shape[-2]:
            # The minimiser lies in the span of the support: the same problem in S dimensions.
            basis = torch.linalg.qr(support.transpose(-1, -2)).Q
            support, query = support @ basis, query @ basis
        centre = support.mean(-2, keepdim=True)
        inputs = F.pad(support - centre, (0, 1), value=1.0)
        targets = F.one_hot(labels, n_classes).to(inputs.dtype)
        weight = _minimise(inputs, targets, c, tolerance, max_iterations)
        return F.pad(query - centre, (0, 1), value=1.0) @ weight


def _minimise(
    inputs: Tensor, targets: Tensor, c: float, tolerance: float, max_iterations: int
) -> Tensor:
    """Weights [..., D + 1, C], the intercept last."""
    decay = torch.ones_like(inputs[..., 0, :]).unsqueeze(-1)
    decay[..., -1, :] = 0
    gram = inputs.transpose(-1, -2) @ inputs
    factor = torch.linalg.cholesky(c / 2 * gram + torch.diag_embed(decay.squeeze(-1)))
    weight = inputs.new_zeros(*inputs.shape[:-2], inputs.shape[-1], targets.shape[-1])
    ahead = weight
    momentum = weight.new_ones(*inputs.shape[:-2], 1, 1)
    moving = torch.ones_like(momentum, dtype=torch.bool)
    for _ in range(max_iterations):
        errors = (inputs @ ahead).softmax(-1) - targets
        gradient = c * inputs.transpose(-1, -2) @ errors + decay * ahead
        step = torch.where(moving, ahead - torch.cholesky_solve(gradient, factor) - weight, 0.0)
        weight = weight + step
        # Momentum restarts where it points uphill (https://arxiv.org/abs/1204.3982).
        uphill = (gradient * step).sum((-1, -2), keepdim=True) > 0
        following = torch.where(uphill, 1.0, (1 + (1 + 4 * momentum.square()).sqrt()) / 2)
        ahead = weight + torch.where(uphill, 0.0, (momentum - 1) / following) * step
        momentum = following
        size = weight.abs().amax((-1, -2), keepdim=True)
        moving = step.abs().amax((-1, -2), keepdim=True) > tolerance * size
        if not bool(moving.any()):
            break
    return weight


@gin.register
@dataclass(frozen=True)
class LogisticRegression:
    """L2-regularised multinomial logistic regression; c is the inverse regularisation."""

    c: float = 1.0
    transductive: ClassVar[bool] = False

    def __call__(self, support: Tensor, labels: Tensor, query: Tensor, n_classes: int) -> Tensor:
        """Scores [..., Q, n_classes]; see `logistic_regression`."""
        return logistic_regression(support, labels, query, n_classes, self.c)
