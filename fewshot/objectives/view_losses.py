"""The losses of two views of a batch, without masks whose size depends on values.

Both compute what lightly's losses of their names do, in every bit, but can be recorded on a GPU:
lightly picks what is off a diagonal by a mask, for which the host waits in every step.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.errors import UserError


def off_diagonal(square: Tensor) -> Tensor:
    """[N, N] -> [N, N - 1], each row without its diagonal element."""
    size = len(square)
    # after the first element the diagonal's come every N + 1
    return square.flatten()[1:].view(size - 1, size + 1)[:, :-1].reshape(size, size - 1)


class NTXent(nn.Module):
    """Normalised temperature-scaled cross-entropy (https://arxiv.org/abs/2002.05709).

    Each view's other is to be told from all other views of the batch. Raises UserError for a
    temperature of 0.
    """

    def __init__(self, temperature: float = 0.5) -> None:
        super().__init__()
        if abs(temperature) < 1e-8:
            raise UserError(
                f"the temperature of NT-Xent is {temperature}: bind a number above 0, such as 0.5."
            )
        self.temperature = temperature

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Projections of two views, float [B, D] each -> the mean loss of all 2 B."""
        one, two = F.normalize(first, dim=1), F.normalize(second, dim=1)
        # in lightly's order, by which gradients add up
        ones, ones_twos, twos_ones, twos = (
            torch.einsum("nc,mc->nm", view, beside) / self.temperature
            for view, beside in ((one, one), (one, two), (two, one), (two, two))
        )
        alike = [off_diagonal(ones), off_diagonal(twos)]
        rows = [torch.cat(pair, dim=1) for pair in zip((ones_twos, twos_ones), alike, strict=True)]
        partners = torch.arange(len(first), device=first.device).repeat(2)
        return F.cross_entropy(torch.cat(rows), partners)


class VarianceInvarianceCovariance(nn.Module):
    """Invariance, variance and covariance, weighed 25, 25, 1 (https://arxiv.org/abs/2105.04906)."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Projections of two views, float [B, D] each, B of 2 or more -> the loss."""
        invariance = F.mse_loss(first, second)
        variance = 0.5 * (_variance(first) + _variance(second))
        covariance = _covariance(first) + _covariance(second)
        return 25.0 * invariance + 25.0 * variance + 1.0 * covariance


def _variance(view: Tensor) -> Tensor:
    std = torch.sqrt(view.var(dim=0) + 0.0001)
    return torch.mean(F.relu(1.0 - std))


def _covariance(view: Tensor) -> Tensor:
    centred = view - view.mean(dim=0)
    covariance = torch.einsum("bc,bd->cd", centred, centred) / (len(view) - 1)
    loss: Tensor = off_diagonal(covariance).flatten().pow(2).sum(-1) / view.shape[1]
    return loss.mean()
