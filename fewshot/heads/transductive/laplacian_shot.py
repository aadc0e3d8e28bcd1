"""LaplacianShot: neighbouring queries are drawn to the same class."""

from dataclasses import dataclass
from typing import ClassVar

import gin
import torch
from torch import Tensor

from fewshot.errors import UserError
from fewshot.heads.geometry import less_own_length
from fewshot.heads.transductive.bd_cspn import rectified
from fewshot.precision import full_precision


def laplacian_shot(
    support: Tensor,
    labels: Tensor,
    query: Tensor,
    n_classes: int,
    n_neighbours: int = 3,
    strength: float = 0.7,
    n_steps: int = 20,
) -> Tensor:
    """Log-assignments of Laplacian-regularised few-shot inference (https://arxiv.org/abs/2006.15486).

    Shapes as in `bd_cspn`, by which the prototypes are rectified. Each of the bound updates of the
    paper's algorithm 1 adds to a query's scores `strength` times the assignments of its
    n_neighbours nearest other queries (fewer where there are not so many). Transductive.
    """
    with full_precision(support):
        means, query = rectified(support, labels, query, n_classes, temperature=10.0)
        # Distances do not change with the origin; near it, the products they come from are exact.
        centre = query.mean(-2, keepdim=True)
        query, means = query - centre, means - centre
        # less what is the same for all classes, and for all neighbours, of a query
        unary, distances = less_own_length(query, means), less_own_length(query, query)
        distances.diagonal(dim1=-2, dim2=-1).fill_(torch.inf)
        n_neighbours = min(n_neighbours, query.shape[-2] - 1)
        neighbours = distances.topk(n_neighbours, largest=False).indices
        affinity = torch.zeros_like(distances).scatter_(-1, neighbours, 1.0)
        assignments = (-unary).log_softmax(-1)
        for _ in range(n_steps):
            assignments = (strength * affinity @ assignments.exp() - unary).log_softmax(-1)
        return assignments


@gin.register
@dataclass(frozen=True)
class LaplacianShot:
    """Laplacian-regularised few-shot inference (https://arxiv.org/abs/2006.15486)."""

    n_neighbours: int = 3
    strength: float = 0.7
    transductive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.n_neighbours < 1:
            raise UserError(f"LaplacianShot.n_neighbours is {self.n_neighbours}: use 1 or more.")
        if not self.strength >= 0:
            raise UserError(f"LaplacianShot.strength is {self.strength}: use 0 or more.")

    def __call__(self, support: Tensor, labels: Tensor, query: Tensor, n_classes: int) -> Tensor:
        """Scores [..., Q, n_classes]; see `laplacian_shot`."""
        return laplacian_shot(support, labels, query, n_classes, self.n_neighbours, self.strength)
