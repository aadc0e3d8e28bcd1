"""The library's triplet loss of semi-hard triplets in closed form, without a list of triplets.

How often a distance counts, as a positive's and as a negative's, is all that the mean of the
violations and its gradient need; a batch of 256 in 32 classes has 200,000 semi-hard triplets.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from fewshot.objectives.miners import SemiHard, distances_in_batch, places
from fewshot.precision import full_precision


def in_closed_form(loss: Any, miner: nn.Module | None, embedding: Tensor) -> bool:
    """Whether `semi_hard_loss` stands for this loss under this miner: the library's as it comes.

    That is TripletMarginLoss with any margin, over L2 distances scaled as the miner scales them,
    and the mean of all triplets or of those that violate the margin.
    """
    if type(miner) is not SemiHard or embedding.dtype not in (torch.float32, torch.float64):
        return False
    # A second to import, which a loss of the library has cost already.
    if not type(loss).__module__.startswith("pytorch_metric_learning."):
        return False
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.reducers import AvgNonZeroReducer, MeanReducer

    if type(loss) is not TripletMarginLoss or loss.swap or loss.smooth_loss:
        return False
    measured, mean = loss.distance, loss.reducer
    return (
        loss.embedding_regularizer is None
        and type(measured) is LpDistance
        and (measured.p, measured.power) == (2, 1)
        and measured.normalize_embeddings == miner.normalize
        and (type(mean) is MeanReducer or type(mean) is AvgNonZeroReducer)
        and not any(part.collect_stats for part in (loss, measured, mean))
    )


def semi_hard_loss(
    loss: Any, miner: SemiHard, embedding: Tensor, labels: Tensor
) -> tuple[Tensor, int]:
    """The loss over the triplets that the miner would choose, and how many those are.

    embedding: float [B, D], labels: int64 [B]; see `in_closed_form`. 0 where there is none.
    """
    points = F.normalize(embedding, dim=1) if miner.normalize else embedding
    found = _found(points.detach(), labels, miner.margin, float(loss.margin))
    counted = found.mined if type(loss.reducer).__name__ == "MeanReducer" else found.active
    if found.active == 0:
        return embedding.sum() * 0, found.mined
    value: Tensor = _Weighted.apply(
        points, found.distances, found.weights.div_(counted), found.violations / counted
    )
    return value, found.mined


class _Found(NamedTuple):
    """Triplets of a batch: how many, how many violate the margin, and the sum of violations.

    weights: how often each of the distances [B, B] adds to the violations, less how often it is
    taken from them.
    """

    mined: int
    active: int
    violations: Tensor
    distances: Tensor
    weights: Tensor


@torch.no_grad()
def _found(points: Tensor, labels: Tensor, reach: float, margin: float) -> _Found:
    """Triplets whose negative is farther by up to `reach`; holds a number a pair alike and row."""
    distances, positive, negative = distances_in_batch(points, labels)
    anchors, positives = places(positive)
    # a row of the same class is much farther: beyond any margin
    beyond = torch.finfo(distances.dtype).max
    farther = distances.masked_fill(~negative, beyond).index_select(0, anchors)
    farther -= distances[positive].unsqueeze(1)
    chosen = _within(farther, reach)
    # at a negative this far the violation is 0, which the library leaves out of its mean
    active = chosen.logical_and(farther < margin)
    once = active.to(distances.dtype)
    weights = torch.zeros_like(distances).index_add_(0, anchors, once).neg_()
    of_pair = active.sum(1)
    weights[anchors, positives] = of_pair.to(distances.dtype)
    violations = farther.neg_().add_(margin).mul_(once).sum()
    mined = int(chosen.count_nonzero())
    return _Found(mined, int(of_pair.sum()), violations, distances, weights)


def _within(farther: Tensor, reach: float) -> Tensor:
    """Where 0 < farther <= reach."""
    if farther.device.type != "cpu":
        return (farther > 0).logical_and_(farther <= reach)
    numbers = farther.numpy()  # a seventh of the time that torch takes
    return torch.from_numpy((numbers > 0) & (numbers <= reach))


class _Weighted(torch.autograd.Function):
    """A given value, the derivative of which by distances [B, B] of points [B, D] are weights."""

    @staticmethod
    def forward(
        ctx: Any, points: Tensor, distances: Tensor, weights: Tensor, value: Tensor
    ) -> Tensor:
        ctx.save_for_backward(points, distances, weights)
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, given: Tensor) -> tuple[Tensor, None, None, None]:
        points, distances, weights = ctx.saved_tensors
        pulls = weights + weights.T
        # two rows in one place pull nowhere, as torch.cdist has it
        pulls.div_(distances).masked_fill_(distances == 0, 0).mul_(given)
        # far from the origin the two terms would cancel: what they differ by does not move with it
        points = points - points.mean(0)
        with full_precision(points):  # what is left of two terms that are nearly the same
            pulled = pulls.sum(1, keepdim=True) * points - pulls @ points
        return pulled, None, None, None
