"""Pretraining by variance, invariance and covariance, without negatives."""

from collections.abc import Callable
from typing import Any

import gin
from torch import Tensor

from fewshot.batch import Batch, DataSpec
from fewshot.objectives.objective import Objective
from fewshot.objectives.view_losses import VarianceInvarianceCovariance
from fewshot.objectives.views import check_augmented, loss_of_views


@gin.register
class VICReg(Objective):
    """Two views agree while each dimension keeps its spread (https://arxiv.org/abs/2105.04906).

    The projection (with BatchNorm) is lightly's, variance and covariance are taken over the
    batches of all devices; features for other tasks are the encoder's. hidden_size,
    projection_size: widths of the projection.
    """

    def __init__(
        self,
        spec: DataSpec,
        encoder: Callable[..., Any] | None = None,
        inputs: Callable[..., Any] | None = None,
        hidden_size: int = 512,
        projection_size: int = 512,
    ) -> None:
        super().__init__(spec, encoder, inputs)
        check_augmented(self)
        # 4 s to import: only where it is used
        from lightly.models.modules.heads import VICRegProjectionHead

        self.projection = VICRegProjectionHead(
            self.encoder.num_features, hidden_size, projection_size
        )
        self.loss = VarianceInvarianceCovariance()

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The VICReg loss of the projections of two augmented views; `spread` shows a collapse."""
        return loss_of_views(self, batch, self.projection, self.loss)
