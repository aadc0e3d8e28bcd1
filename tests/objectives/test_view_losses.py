import pytest
import torch
from lightly.loss import NTXentLoss, VICRegLoss

from fewshot.errors import UserError
from fewshot.objectives.view_losses import NTXent, VarianceInvarianceCovariance, off_diagonal


@pytest.mark.parametrize("size", [2, 3, 7])
def test_the_diagonal_is_left_out(size):
    square = torch.arange(float(size * size)).view(size, size)
    expected = square[~torch.eye(size, dtype=torch.bool)].view(size, size - 1)
    assert torch.equal(off_diagonal(square), expected)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (NTXent(0.2), NTXentLoss(temperature=0.2)),
        (NTXent(), NTXentLoss(temperature=0.5)),
        (VarianceInvarianceCovariance(), VICRegLoss()),
    ],
)
@pytest.mark.parametrize("shape", [(2, 5), (16, 8), (33, 130)])
def test_losses_and_gradients_are_lightlys_bit_for_bit(ours, theirs, shape):
    drawn = torch.Generator().manual_seed(0)
    values, gradients = [], []
    views = [torch.randn(shape, generator=drawn) for _ in range(2)]
    for loss in (ours, theirs):
        seen = [view.clone().requires_grad_() for view in views]
        value = loss(*seen)
        value.backward()
        values.append(value.detach())
        gradients.append([view.grad for view in seen])
    assert torch.equal(*values)
    for one, other in zip(*gradients, strict=True):
        assert torch.equal(one, other)


def test_a_temperature_of_nothing_is_refused():
    with pytest.raises(UserError, match=r"temperature of NT-Xent is 0\.0: bind a number above 0"):
        NTXent(0.0)
