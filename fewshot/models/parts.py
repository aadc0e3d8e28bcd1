"""What may stand on an encoder in a model file: a classifier, a projection to an embedding."""

import gin
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.encoders.recorded import Recorded
from fewshot.errors import UserError


class Classifier(Recorded):
    """Features float [B, num_features] -> scores float [B, num_classes], higher is likelier.

    A subclass is registered with gin and built as factory(num_features, num_classes).
    """


@gin.register
class Projection(Recorded):
    """Features float [B, num_features] -> embedding float32 [B, size].

    size: of the linear layer; None takes the encoder's features as they are. normalize: scale
    embeddings to length 1 (https://arxiv.org/abs/1503.03832). Raises UserError for a size below 1.
    """

    def __init__(self, num_features: int, size: int | None = 64, normalize: bool = True) -> None:
        super().__init__()
        if size is not None and size < 1:
            raise UserError(
                f"Projection.size is {size}: bind 1 or more, or None for the encoder's features as "
                "they are."
            )
        self.linear: nn.Module = nn.Identity()
        if size is not None:
            self.linear = nn.Linear(num_features, size)
        self.normalize = normalize
        self.width = num_features if size is None else size

    def forward(self, features: Tensor) -> Tensor:
        """[B, num_features] -> [B, size], float32 whatever the precision."""
        embedding: Tensor = self.linear(features).float()
        return F.normalize(embedding) if self.normalize else embedding
