"""Trainable classifiers on an encoder's features; built as factory(num_features, num_classes)."""

from collections.abc import Sequence

import gin
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.models.parts import Classifier


class CellMean(nn.Module):
    """The mean over an encoder's grid of cells, [B, width * cells] -> [B, width].

    A classifier behind it trains an encoder whose cells are means as if it pooled over its whole
    map, while the features that others see keep where things are (cells overlap where the grid
    does not divide the map: what they share counts twice). owner: the classifier's name, for the
    error. Raises UserError where the number of features does not divide into that many cells.
    """

    def __init__(self, num_features: int, cells: int, owner: str) -> None:
        super().__init__()
        if cells < 1 or num_features % cells:
            raise UserError(
                f"{owner}.cells is {cells}, but the encoder has {num_features} features, which is "
                "no multiple of it: bind rows times columns of the encoder's grid, or 1."
            )
        self.cells = cells
        self.width = num_features // cells

    def forward(self, features: Tensor) -> Tensor:
        """[B, width * cells], the cells of each channel side by side -> [B, width]."""
        channels: Tensor = features.unflatten(1, (self.width, self.cells))
        return channels.mean(2)


@gin.register
class LinearClassifier(Classifier):
    """One linear layer.

    cells: how many cells of an encoder's grid, such as SmallResNet.grid, are averaged first.
    """

    def __init__(self, num_features: int, num_classes: int, cells: int = 1) -> None:
        super().__init__()
        self.mean = CellMean(num_features, cells, "LinearClassifier")
        self.linear = nn.Linear(self.mean.width, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        """[B, num_features] -> [B, num_classes]."""
        return self.linear(self.mean(features))  # type: ignore[no-any-return]


@gin.register
class TwoLayerClassifier(Classifier):
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
class ThreeLayerClassifier(Classifier):
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
            raise UserError(
                f"ThreeLayerClassifier.hidden is {hidden}: bind two widths, e.g. (32, 16)."
            )
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
class CosineClassifier(Classifier):
    """Scaled cosine between features and a weight vector a class: Baseline++
    (https://arxiv.org/abs/1904.04232).

    scale: what cosines are multiplied by. learned: whether training changes the scale. cells: how
    many cells of an encoder's grid are averaged first.
    """

    def __init__(
        self,
        num_features: int,
        num_classes: int,
        scale: float = 10.0,
        learned: bool = True,
        cells: int = 1,
    ) -> None:
        super().__init__()
        self.mean = CellMean(num_features, cells, "CosineClassifier")
        self.weight = nn.Parameter(torch.empty(num_classes, self.mean.width))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.scale = nn.Parameter(torch.tensor(float(scale)), requires_grad=learned)

    def forward(self, features: Tensor) -> Tensor:
        """[B, num_features] -> [B, num_classes]."""
        directions = F.normalize(self.mean(features))
        return self.scale * F.linear(directions, F.normalize(self.weight))


@gin.register
class IdentityClassifier(Classifier):
    """The features are the scores, for an encoder as wide as there are classes.

    Raises UserError where it is not.
    """

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        if num_features != num_classes:
            raise UserError(
                f"IdentityClassifier takes the encoder's {num_features} features as the scores of "
                f"{num_classes} classes: the numbers must be equal, or bind another classifier."
            )

    def forward(self, features: Tensor) -> Tensor:
        """[B, num_classes] -> the same."""
        return features
