"""BD-CSPN: prototypes rectified by confidently classified queries."""

from dataclasses import dataclass
from typing import ClassVar

import gin
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.heads.geometry import prototypes
from fewshot.precision import full_precision


def rectified(
    support: Tensor, labels: Tensor, query: Tensor, n_classes: int, temperature: float
) -> tuple[Tensor, Tensor]:
    """Rectified prototypes [..., n_classes, D] and shifted, L2-normalised queries [..., Q, D].

    Queries are moved so that their mean is the support's, labelled by cosine to the prototypes,
    and averaged with the support of their class, each row weighing exp(temperature * cosine).
    """
    support, query = F.normalize(support, dim=-1), F.normalize(query, dim=-1)
    shift = support.mean(-2, keepdim=True) - query.mean(-2, keepdim=True)
    query = F.normalize(query + shift, dim=-1)
    means = F.normalize(prototypes(support, labels, n_classes)[0], dim=-1).transpose(-1, -2)
    to_support, to_query = support @ means, query @ means
    known = F.one_hot(labels, n_classes)
    guessed = F.one_hot(to_query.argmax(-1), n_classes)
    exponents = [
        (temperature * cosines).masked_fill(member == 0, -torch.inf)
        for cosines, member in ((to_support, known), (to_query, guessed))
    ]
    weights = torch.cat(exponents, -2).softmax(-2)
    return weights.transpose(-1, -2) @ torch.cat([support, query], -2), query


def bd_cspn(
    support: Tensor,
    labels: Tensor,
    query: Tensor,
    n_classes: int,
    temperature: float = 10.0,
) -> Tensor:
    """Cosine to prototypes rectified by the queries (https://arxiv.org/abs/1911.10713).

    support [..., S, D], labels int64 [..., S], query [..., Q, D] -> [..., Q, n_classes]; leading
    dimensions are episodes. Every class needs support. Transductive.
    """
    with full_precision(support):
        means, query = rectified(support, labels, query, n_classes, temperature)
        return query @ F.normalize(means, dim=-1).transpose(-1, -2)


@gin.register
@dataclass(frozen=True)
class BDCSPN:
    """Prototypes rectified by the queries (https://arxiv.org/abs/1911.10713)."""

    temperature: float = 10.0
    transductive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise UserError(
                f"BDCSPN.temperature is {self.temperature}: bind more than 0, e.g. 10.0."
            )

    def __call__(self, support: Tensor, labels: Tensor, query: Tensor, n_classes: int) -> Tensor:
        """Scores [..., Q, n_classes]; see `bd_cspn`."""
        return bd_cspn(support, labels, query, n_classes, self.temperature)
