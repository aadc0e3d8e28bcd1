"""Pretraining by predicting what a slow copy of the net makes of another view."""

import copy
import math
from collections.abc import Callable
from typing import Any

import gin
import torch
from torch import Tensor

from fewshot.batch import Batch, DataSpec
from fewshot.errors import UserError
from fewshot.objectives.objective import Objective
from fewshot.objectives.views import both_views, check_augmented, spread


@gin.register
class BYOL(Objective):
    """A view predicts how a slow copy of the net sees another, without negatives (BYOL).

    https://arxiv.org/abs/2006.07733. The projection, the prediction (both with BatchNorm) and the
    loss are lightly's; features for other tasks are the encoder's. The slow copy is the running
    mean of encoder and projection after each step: momentum is its share at the first step, from
    which it rises to 1 along half a cosine. hidden_size, projection_size: widths of projection and
    prediction. Raises UserError for a momentum not in [0, 1].
    """

    unsaved = ("slow_encoder", "slow_projection")
    recordable_before_step = True  # which is for after_step alone

    def __init__(
        self,
        spec: DataSpec,
        encoder: Callable[..., Any] | None = None,
        inputs: Callable[..., Any] | None = None,
        hidden_size: int = 512,
        projection_size: int = 128,
        momentum: float = 0.99,
    ) -> None:
        super().__init__(spec, encoder, inputs)
        check_augmented(self)
        if not 0 <= momentum <= 1:
            raise UserError(f"BYOL.momentum is {momentum}: bind 0 to 1, such as 0.99.")
        from lightly.loss import NegativeCosineSimilarity  # 4 s to import: only where it is used
        from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead

        features = self.encoder.num_features
        self.projection = BYOLProjectionHead(features, hidden_size, projection_size)
        self.prediction = BYOLPredictionHead(projection_size, hidden_size, projection_size)
        self.loss = NegativeCosineSimilarity()
        self.slow_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
        self.slow_projection = copy.deepcopy(self.projection).requires_grad_(False)
        self.momentum = momentum
        self._share = momentum  # of the step that is going on

    def before_step(self, step: int, total_steps: int) -> None:
        """Set the slow copy's momentum for this step."""
        done = step / max(1, total_steps)
        self._share = 1 - (1 - self.momentum) * (math.cos(math.pi * done) + 1) / 2

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Negative cosine of each view's prediction and the other's slow projection, the mean of
        both; `spread` of the projections shows a collapse.
        """
        views = both_views(self, batch)
        online = [self.projection(part) for part in self.encoder(views).chunk(2)]
        with torch.no_grad():
            first, second = (
                self.slow_projection(part).float() for part in self.slow_encoder(views).chunk(2)
            )
        predicted = [self.prediction(part).float() for part in online]
        with torch.autocast(first.device.type, enabled=False):
            value = (self.loss(predicted[0], second) + self.loss(predicted[1], first)) / 2
        return value, {"spread": spread(batch.gather(online[0].detach()))}

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the slow copy towards the net."""
        for slow, fast in (
            (self.slow_encoder, self.encoder),
            (self.slow_projection, self.projection),
        ):
            means, values = list(slow.parameters()), list(fast.parameters())
            torch._foreach_lerp_(means, values, 1 - self._share)
