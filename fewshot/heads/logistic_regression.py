"""Multinomial logistic regression on frozen features, a whole batch of episodes at once."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import gin
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.heads.geometry import check_float64
from fewshot.precision import full_precision

_NOTHING = 1e-9  # a weight that moves no logit: where all features are equal, there is but rounding


def logistic_regression(
    support: Tensor,
    labels: Tensor,
    query: Tensor,
    n_classes: int,
    c: float = 1.0,
    tolerance: float = 1e-5,
    max_iterations: int = 2000,
    class_balanced: bool = False,
) -> Tensor:
    """Logits of the classifier that minimises ||W||^2 / 2 + c * sum of cross-entropies.

    support [..., S, D], labels int64 [..., S], query [..., Q, D] -> [..., Q, n_classes]; leading
    dimensions are episodes. The intercept is not regularised, as in scikit-learn, whose objective
    this is. Solved by accelerated gradient steps in the metric of Bohning's fixed upper bound on
    the Hessian (https://doi.org/10.1007/BF00048682): deterministic, one Cholesky factor an episode.
    class_balanced: a row's cross-entropy also counts (rows / classes) / rows of its class, so that
    every class weighs alike, as in scikit-learn, too. An episode stops when a step moves its
    logits' scale by less than the tolerance. Computed in float64, for features of any length; the
    answer has the dtype of the query.
    """
    dtype = query.dtype
    check_float64("LogisticRegression", query.device)
    with full_precision(support):
        if support.shape[-1] > support.shape[-2]:
            # The minimiser lies in the span of the support: the same problem in S dimensions.
            basis = torch.linalg.qr(support.transpose(-1, -2)).Q
            support, query = support @ basis, query @ basis
        support, query = support.double(), query.double()
        centre = support.mean(-2, keepdim=True)
        inputs = F.pad(support - centre, (0, 1), value=1.0)
        targets = F.one_hot(labels, n_classes).to(inputs.dtype)
        importance = _balance(targets) if class_balanced else torch.ones_like(inputs[..., :1])
        weight = _minimise(inputs, targets, c * importance, tolerance, max_iterations)
        return (F.pad(query - centre, (0, 1), value=1.0) @ weight).to(dtype)


def _balance(targets: Tensor) -> Tensor:
    """What each row weighs [..., S, 1], of one-hot labels [..., S, C]."""
    counts = targets.sum(-2, keepdim=True)
    present = (counts > 0).sum(-1, keepdim=True)
    return targets.shape[-2] / (present * (targets * counts).sum(-1, keepdim=True))


def _minimise(
    inputs: Tensor, targets: Tensor, c: Tensor, tolerance: float, max_iterations: int
) -> Tensor:
    """Weights [..., D + 1, C], the intercept last; c [..., S, 1] weighs each row."""
    decay = torch.ones_like(inputs[..., 0, :]).unsqueeze(-1)
    decay[..., -1, :] = 0
    gram = inputs.transpose(-1, -2) @ (c / 2 * inputs)
    factor = torch.linalg.cholesky(gram + torch.diag_embed(decay.squeeze(-1)))
    weight = inputs.new_zeros(*inputs.shape[:-2], inputs.shape[-1], targets.shape[-1])
    ahead = weight
    momentum = weight.new_ones(*inputs.shape[:-2], 1, 1)
    moving = torch.ones_like(momentum, dtype=torch.bool)
    for _ in range(max_iterations):
        errors = c * ((inputs @ ahead).softmax(-1) - targets)
        gradient = inputs.transpose(-1, -2) @ errors + decay * ahead
        step = torch.where(moving, ahead - torch.cholesky_solve(gradient, factor) - weight, 0.0)
        weight = weight + step
        # Momentum restarts where it points uphill (https://arxiv.org/abs/1204.3982).
        uphill = (gradient * step).sum((-1, -2), keepdim=True) > 0
        following = torch.where(uphill, 1.0, (1 + (1 + 4 * momentum.square()).sqrt()) / 2)
        ahead = weight + torch.where(uphill, 0.0, (momentum - 1) / following) * step
        momentum = following
        size = weight.abs().amax((-1, -2), keepdim=True) + _NOTHING
        moving = step.abs().amax((-1, -2), keepdim=True) > tolerance * size
        if not bool(moving.any()):
            return weight
    warnings.warn(
        f"logistic regression did not converge in {max_iterations} iterations: scale the features "
        "(L2-normalise or whiten them), or bind a smaller LogisticRegression.c",
        RuntimeWarning,
        stacklevel=3,
    )
    return weight


@gin.register
@dataclass(frozen=True)
class LogisticRegression:
    """L2-regularised multinomial logistic regression; c is the inverse regularisation.

    class_balanced: every class weighs alike, however many rows it has.
    """

    c: float = 1.0
    class_balanced: bool = False
    transductive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.c > 0:
            raise UserError(f"LogisticRegression.c is {self.c}: bind more than 0, e.g. 1.0.")

    def __call__(self, support: Tensor, labels: Tensor, query: Tensor, n_classes: int) -> Tensor:
        """Scores [..., Q, n_classes]; see `logistic_regression`."""
        balanced = self.class_balanced
        return logistic_regression(
            support, labels, query, n_classes, self.c, class_balanced=balanced
        )

    def fitted(self, support: Tensor, labels: Tensor, n_classes: int) -> Callable[[Tensor], Tensor]:
        """The same scores of query [Q, D], the regression being solved once."""
        width = support.shape[1]
        points = torch.cat([support.new_zeros(1, width), torch.eye(width, dtype=support.dtype)])
        at_zero, *at_axes = self(support, labels, points, n_classes)
        slopes = torch.stack(at_axes) - at_zero
        return lambda query: query @ slopes + at_zero
