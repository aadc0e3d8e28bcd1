"""Heads that compare a query with the mean feature of each class."""

from dataclasses import dataclass
from typing import ClassVar

import gin
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.heads.geometry import check_float64, less_own_length, prototypes, without_empty
from fewshot.precision import full_precision


def nearest_prototype(support: Tensor, labels: Tensor, query: Tensor, n_classes: int) -> Tensor:
    """Minus the Euclidean distance to the class means (https://arxiv.org/abs/1703.05175).

    support [..., S, D], labels int64 [..., S], query [..., Q, D] -> float64 [..., Q, n_classes],
    where leading dimensions are episodes; a class without support scores -inf. Of a query far from
    all classes the distances differ by less than the features' precision tells: classes rank by
    what they differ by, and float64 holds it.
    """
    check_float64("NearestPrototype", query.device)
    with full_precision(support):
        means, counts = prototypes(support, labels, n_classes)
        # Distances do not change with the origin; near it, the products they come from are exact.
        centre = means.mean(-2, keepdim=True)
        query, means = query - centre, means - centre
        squared = less_own_length(query, means).double()
        squared += torch.linalg.vecdot(query, query).unsqueeze(-1)
        return without_empty(squared.clamp_(min=0).sqrt_().neg_(), counts)


def simple_shot(
    support: Tensor,
    labels: Tensor,
    query: Tensor,
    n_classes: int,
    base_mean: Tensor | None = None,
) -> Tensor:
    """Cosine to the class means of centred, L2-normalised features (https://arxiv.org/abs/1911.04623).

    Shapes as in `nearest_prototype`. base_mean: [D], the mean feature of the classes the encoder
    was trained on, subtracted first (CL2N in the paper); None does not centre (L2N).
    """
    with full_precision(support):
        if base_mean is not None:
            support, query = support - base_mean, query - base_mean
        means, counts = prototypes(F.normalize(support, dim=-1), labels, n_classes)
        scores = F.normalize(query, dim=-1) @ F.normalize(means, dim=-1).transpose(-1, -2)
        return without_empty(scores, counts)


@gin.register
@dataclass(frozen=True)
class NearestPrototype:
    """The class whose mean feature is nearest (https://arxiv.org/abs/1703.05175)."""

    transductive: ClassVar[bool] = False

    def __call__(self, support: Tensor, labels: Tensor, query: Tensor, n_classes: int) -> Tensor:
        """Scores [..., Q, n_classes]; see `nearest_prototype`."""
        return nearest_prototype(support, labels, query, n_classes)


@gin.register
@dataclass(frozen=True)
class SimpleShot:
    """Cosine to the class means of L2-normalised features (https://arxiv.org/abs/1911.04623).

    Centring by the mean of the base classes is the evaluator's, which knows those classes.
    """

    transductive: ClassVar[bool] = False

    def __call__(self, support: Tensor, labels: Tensor, query: Tensor, n_classes: int) -> Tensor:
        """Scores [..., Q, n_classes]; see `simple_shot`."""
        return simple_shot(support, labels, query, n_classes)
