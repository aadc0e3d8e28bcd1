"""Miners of triplets in a labelled batch: those of pytorch-metric-learning, in fewer operations.

They choose the same triplets in the same order as its TripletMarginMiner and BatchHardMiner, which
may be bound in their place, and go with its losses.
"""

import gin
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.errors import UserError

Triplets = tuple[Tensor, Tensor, Tensor]


def distances_in_batch(points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """L2 distances [B, B], who is another row of the same class, and who is of another class.

    points: float [B, D]; labels: int64 [B].
    """
    alike = labels.unsqueeze(1) == labels
    own = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return torch.cdist(points, points), alike & ~own, ~alike


def _distances(embedding: Tensor, labels: Tensor, normalize: bool) -> tuple[Tensor, Tensor, Tensor]:
    points = F.normalize(embedding, dim=1) if normalize else embedding
    return distances_in_batch(points, labels)


def places(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of what is True [R, C], in order."""
    if chosen.device.type != "cpu":
        rows, columns = chosen.nonzero(as_tuple=True)
        return rows, columns
    flat = np.flatnonzero(chosen.numpy())  # a tenth of the time that torch takes
    of_row = flat // chosen.shape[1]
    return torch.from_numpy(of_row), torch.from_numpy(flat - of_row * chosen.shape[1])


@gin.register
class SemiHard(nn.Module):
    """Triplets whose negative is farther than the positive, but by no more than the margin.

    See https://arxiv.org/abs/1503.03832. margin: in units of the L2 distance. normalize: whether it
    is that of embeddings scaled to length 1.
    """

    def __init__(self, margin: float = 0.2, normalize: bool = True) -> None:
        super().__init__()
        if margin <= 0:
            raise UserError(f"SemiHard.margin is {margin}: bind a number above 0.")
        self.margin, self.normalize = margin, normalize

    @torch.no_grad()
    def forward(self, embedding: Tensor, labels: Tensor) -> Triplets:
        """embedding [B, D], labels int64 [B] -> rows of anchors, positives and negatives [T]."""
        distances, positive, negative = _distances(embedding, labels, self.normalize)
        anchors, positives = places(positive)
        # a row of the same class is infinitely much farther: beyond any margin
        farther = distances.masked_fill(~negative, torch.inf).index_select(0, anchors)
        farther -= distances[positive].unsqueeze(1)
        chosen = (farther > 0).logical_and_(farther <= self.margin)
        pairs, negatives = places(chosen)
        return anchors.index_select(0, pairs), positives.index_select(0, pairs), negatives


@gin.register
class BatchHard(nn.Module):
    """Each anchor with its farthest positive and its nearest negative in the batch.

    See https://arxiv.org/abs/1703.07737; a row without a positive or a negative is no anchor.
    normalize: whether distances are those of embeddings scaled to length 1.
    """

    def __init__(self, normalize: bool = True) -> None:
        super().__init__()
        self.normalize = normalize

    @torch.no_grad()
    def forward(self, embedding: Tensor, labels: Tensor) -> Triplets:
        """embedding [B, D], labels int64 [B] -> rows of anchors, positives and negatives [T]."""
        distances, positive, negative = _distances(embedding, labels, self.normalize)
        farthest = distances.masked_fill(~positive, -torch.inf).max(1).indices
        nearest = distances.masked_fill(~negative, torch.inf).min(1).indices
        (anchors,) = (positive.any(1) & negative.any(1)).nonzero(as_tuple=True)
        return anchors, farthest[anchors], nearest[anchors]
