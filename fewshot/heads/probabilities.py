"""What scores of any kind say in probabilities."""

import torch
from torch import Tensor


def probabilities(scores: Tensor, temperature: float = 1.0, shares: bool = False) -> Tensor:
    """Scores [N, C], higher being likelier -> float64 [N, C], each row of which sums to 1.

    The softmax of scores / temperature; shares: the scores are shares of votes already, of which a
    temperature makes shares ** (1 / temperature). A class that scores -inf has none.
    """
    exact = scores.double()
    if shares:
        exact = exact.clamp_min(0).log()
    return torch.softmax(exact / temperature, dim=1)
