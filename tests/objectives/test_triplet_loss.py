import math

import pytest
import torch

from fewshot.errors import UserError
from fewshot.objectives.triplet_loss import TripletLoss


def by_definition(anchors, positives, negatives, margin):
    losses = []
    for a, p, n in zip(anchors.tolist(), positives.tolist(), negatives.tolist(), strict=True):
        losses.append(max(math.dist(a, p) - math.dist(a, n) + margin, 0.0))
    return losses


@pytest.mark.parametrize("margin", [0.1, 1.0])
def test_equals_a_loop_over_the_definition(margin):
    torch.manual_seed(0)
    parts = torch.randn(3, 40, 5, dtype=torch.float64)
    losses = TripletLoss(margin)(*parts)
    assert losses.tolist() == pytest.approx(by_definition(*parts, margin))
    assert 0 < sum(loss > 0 for loss in losses.tolist()) < 40


def test_gradient_equals_finite_differences():
    torch.manual_seed(1)
    parts = [torch.randn(6, 3, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    assert torch.autograd.gradcheck(TripletLoss(2.0), parts)


def test_gradient_is_finite_where_all_embeddings_are_equal():
    parts = torch.ones(3, 4, 5, requires_grad=True)
    losses = TripletLoss(0.3)(*parts)
    losses.mean().backward()
    assert losses.tolist() == pytest.approx([0.3] * 4)
    assert torch.isfinite(parts.grad).all()


def test_a_margin_that_rewards_collapse_is_refused():
    with pytest.raises(UserError, match=r"TripletLoss.margin is 0: bind a number above 0"):
        TripletLoss(0)
