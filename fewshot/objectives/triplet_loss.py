"""The triplet loss on triplets that the sampler has drawn."""

import gin
import torch
from torch import Tensor, nn

from fewshot.errors import UserError


@gin.register
class TripletLoss(nn.Module):
    """max(d(a, p) - d(a, n) + margin, 0), d the L2 distance (https://arxiv.org/abs/1503.03832).

    The distance is not squared; the gradient at distance 0 is 0. margin: in units of the distance,
    of which normalised embeddings have at most 2. Needs batches of triplets, such as
    main.sampler = @TripletBatches gives.
    """

    layout = "anchor|positive|negative"

    def __init__(self, margin: float = 0.2) -> None:
        super().__init__()
        if margin <= 0:
            raise UserError(
                f"TripletLoss.margin is {margin}: bind a number above 0; without a margin the loss "
                "is smallest when all images have one embedding."
            )
        self.margin = margin

    def forward(self, anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """Three float [T, D] -> a loss a triplet, [T]; 0 for a triplet that is not active."""
        to_positive = torch.linalg.vector_norm(anchors - positives, dim=1)
        to_negative = torch.linalg.vector_norm(anchors - negatives, dim=1)
        losses: Tensor = (to_positive - to_negative + self.margin).clamp(min=0)
        return losses
