"""Contrastive pretraining with in-batch negatives."""

from collections.abc import Callable
from typing import Any

import gin
from torch import Tensor

from fewshot.batch import Batch, DataSpec
from fewshot.objectives.objective import Objective
from fewshot.objectives.view_losses import NTXent
from fewshot.objectives.views import check_augmented, loss_of_views


@gin.register
class SimCLR(Objective):
    """Two views of an image agree, views of different images do not (https://arxiv.org/abs/2002.05709).

    The projection (with BatchNorm) is lightly's; features for other tasks are the encoder's,
    before the projection. Negatives are all other views of the batch, on
    every device. hidden_size, projection_size: widths of the projection; temperature: of the
    loss.
    """

    def __init__(
        self,
        spec: DataSpec,
        encoder: Callable[..., Any] | None = None,
        inputs: Callable[..., Any] | None = None,
        hidden_size: int = 256,
        projection_size: int = 128,
        temperature: float = 0.5,
    ) -> None:
        super().__init__(spec, encoder, inputs)
        check_augmented(self)
        # 4 s to import: only where it is used
        from lightly.models.modules.heads import SimCLRProjectionHead

        self.projection = SimCLRProjectionHead(
            self.encoder.num_features, hidden_size, projection_size
        )
        self.loss = NTXent(temperature)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """NT-Xent of the projections of two augmented views; `spread` shows a collapse."""
        return loss_of_views(self, batch, self.projection, self.loss)
