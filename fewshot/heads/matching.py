"""The head of matching networks: attention over every support feature, summed by class."""

from dataclasses import dataclass
from typing import ClassVar

import gin
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.precision import full_precision

_FLOOR = 1e-6  # keeps the score of a class without attention finite


def matching_attention(support: Tensor, labels: Tensor, query: Tensor, n_classes: int) -> Tensor:
    """Log of the share of a query's attention that each class gets (https://arxiv.org/abs/1606.04080).

    support [..., S, D], labels int64 [..., S], query [..., Q, D] -> [..., Q, n_classes]; leading
    dimensions are episodes. Attention is the softmax over the support of its cosine to the query
    times the query's length; scores lie between log(1e-6) and 0.
    """
    with full_precision(support):
        similarity = query @ F.normalize(support, dim=-1).transpose(-1, -2)
        share = similarity.softmax(-1) @ F.one_hot(labels, n_classes).to(similarity.dtype)
        return torch.log(share + _FLOOR)


@gin.register
@dataclass(frozen=True)
class MatchingAttention:
    """Attention over the support, as in matching networks (https://arxiv.org/abs/1606.04080)."""

    transductive: ClassVar[bool] = False
    class_balanced: ClassVar[bool] = False  # attention is summed by class
    centred: ClassVar[bool] = False  # cosines are of the features as they were trained

    def __call__(self, support: Tensor, labels: Tensor, query: Tensor, n_classes: int) -> Tensor:
        """Scores [..., Q, n_classes]; see `matching_attention`."""
        return matching_attention(support, labels, query, n_classes)
