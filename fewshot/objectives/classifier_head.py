"""Trainable classifiers on an encoder's features; built as factory(num_features, num_classes)."""

from collections.abc import Sequence

import gin
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.encoders.recorded import Recorded
from fewshot.errors import UserError


class Head(Recorded, nn.Module):
    """Features float [B, num_features] -> scores float [B, num_classes], higher is likelier."""


@gin.register
class LinearHead(Head):
    """One linear layer."""

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        """[B, num_features] -> [B, num_classes]."""
        return self.linear(features)  # type: ignore[no-any-return]


@gin.register
class TwoLayerHead(Head):
    """Two linear layers with nothing between, as wide as the features: a change of how it learns,
    not of what it can represent.
    """

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(num_features, num_features), nn.Linear(num_features, num_classes)
        )

    def forward(self, features: Tensor) -> Tensor:
        """[B, num_features] -> [B, num_classes]."""
        return self.layers(features)  # type: ignore[no-any-return]


@gin.register
class ThreeLayerHead(Head):
    """Three linear layers, LeakyReLU and dropout between them.

    hidden: the two inner widths. dropout: probability. negative_slope: of LeakyReLU.
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        hidden: Sequence[int] = (32, 16),
        dropout: float = 0.5,
        negative_slope: float = 0.2,
    ) -> None:
        super().__init__()
        if len(hidden) != 2:
            raise UserError(f"ThreeLayerHead.hidden is {hidden}: bind two widths, e.g. (32, 16).")
        first, second = hidden
        self.layers = nn.Sequential(
            nn.Linear(num_features, first),
            nn.LeakyReLU(negative_slope),
            nn.Dropout(dropout),
            nn.Linear(first, second),
            nn.LeakyReLU(negative_slope),
            nn.Dropout(dropout),
            nn.Linear(second, num_classes),
        )

    def forward(self, features: Tensor) -> Tensor:
        """[B, num_features] -> [B, num_classes]."""
        return self.layers(features)  # type: ignore[no-any-return]


@gin.register
class CosineHead(Head):
    """Scaled cosine between features and a weight vector a class: Baseline++
    (https://arxiv.org/abs/1904.04232).

    scale: what cosines are multiplied by. learned: whether training changes the scale.
    """

    def __init__(
        self, num_features: int, num_classes: int, scale: float = 10.0, learned: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_classes, num_features))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.scale = nn.Parameter(torch.tensor(float(scale)), requires_grad=learned)

    def forward(self, features: Tensor) -> Tensor:
        """[B, num_features] -> [B, num_classes]."""
        return self.scale * F.linear(F.normalize(features), F.normalize(self.weight))


@gin.register
class IdentityHead(Head):
    """The features are the scores, for an encoder as wide as there are classes.

    Raises UserError where it is not.
    """

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        if num_features != num_classes:
            raise UserError(
                f"IdentityHead takes the encoder's {num_features} features as the scores of "
                f"{num_classes} classes: the numbers must be equal, or bind another head."
            )

    def forward(self, features: Tensor) -> Tensor:
        """[B, num_classes] -> the same."""
        return features
