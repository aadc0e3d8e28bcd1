"""Exemplar discrimination as a pretext task."""

from collections.abc import Callable
from typing import Any

import gin
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.batch import Batch, DataSpec
from fewshot.errors import UserError
from fewshot.objectives.objective import Objective
from fewshot.objectives.reused_parts import built_classifier
from fewshot.objectives.views import check_augmented, view_keys


@gin.register
class ExemplarNet(Objective):
    """Tell which source image a distorted view comes from (https://arxiv.org/abs/1406.6909).

    Every training row is a surrogate class of its own: limit their number with `main.train_rows`.
    views: distorted views of each image in a step, drawn by `Inputs.augment`, each on its own. With
    @OneOf there a view shows one kind of change; with a list, all at once. classifier: factory
    of what tells the images apart (default @LinearClassifier). Raises UserError without views or
    augmentation, when all views of an image would be alike.
    """

    def __init__(
        self,
        spec: DataSpec,
        encoder: Callable[..., Any] | None = None,
        inputs: Callable[..., Any] | None = None,
        views: int = 6,
        classifier: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(spec, encoder, inputs)
        if views < 1:
            raise UserError(f"ExemplarNet.views is {views}: bind 1 or more.")
        check_augmented(self)
        self.views = views
        self.classifier = built_classifier(
            "ExemplarNet", classifier, self.encoder.num_features, spec.rows
        )

    def surrogate_batch(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """A batch -> (float [V * B, C, H, W], surrogate class int64 [V * B]), view by view."""
        views = [
            self.inputs.normalise(self.augment(batch.images, view_keys(batch.keys, view)))
            for view in range(self.views)
        ]
        return torch.cat(views), batch.rows.repeat(self.views)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The cross-entropy of the source image over every view."""
        images, surrogates = self.surrogate_batch(batch)
        predicted = self.classifier(self.encoder(images))
        right = (predicted.detach().argmax(1) == surrogates).float()
        return F.cross_entropy(predicted, surrogates), {"surrogate_top1": right.mean()}
