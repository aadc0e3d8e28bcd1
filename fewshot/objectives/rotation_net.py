"""Rotation prediction as a pretext task."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import gin
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.batch import Batch, DataSpec
from fewshot.errors import UserError
from fewshot.objectives.inputs import Inputs
from fewshot.objectives.objective import Objective
from fewshot.objectives.reused_parts import built_classifier

logger = logging.getLogger("fewshot")


@gin.register
class RotationNet(Objective):
    """Tell by how much an image was turned (RotNet, https://arxiv.org/abs/1803.07728).

    Every image of the batch is seen at every angle; the label is the angle's position in `angles`
    (degrees, counter-clockwise, multiples of 90; two of them are the same task as one logit with
    binary cross-entropy). Unless all angles differ by half turns, images that are not square are
    cut to their central square: a turned rectangle would give its angle away by its shape.
    classifier: factory of what tells the angles apart (default @LinearClassifier). Raises UserError
    for other angles.
    """

    def __init__(
        self,
        spec: DataSpec,
        encoder: Callable[..., Any] | None = None,
        inputs: Callable[..., Any] | None = None,
        angles: Sequence[int] = (0, 90, 180, 270),
        classifier: Callable[..., Any] | None = None,
    ) -> None:
        chosen = _checked(angles)
        halves_only = len({angle % 180 for angle in chosen}) == 1 and not chosen[0] % 180
        super().__init__(spec, encoder, inputs if halves_only else _square(inputs))
        self.angles = chosen
        self.classifier = built_classifier(
            "RotationNet", classifier, self.encoder.num_features, len(chosen)
        )

    def rotate(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[B, C, S, S] -> ([A * B, C, S, S], labels int64 [A * B]), angle by angle."""
        turned = [torch.rot90(images, angle // 90, dims=(2, 3)) for angle in self.angles]
        labels = torch.arange(len(self.angles), device=images.device)
        return torch.cat(turned), labels.repeat_interleave(len(images))

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The cross-entropy of the angle over every image at every angle."""
        losses, right = self._judge(self.augment(batch.images, batch.keys))
        return losses.mean(), {"rotation_top1": right.mean()}

    def pretext_figures(self, images: Tensor) -> dict[str, Tensor]:
        """Uint8 [B, C, H, W], not augmented -> loss and accuracy of each image over its angles."""
        losses, right = self._judge(images)
        return {"rotation_loss": losses.mean(0), "rotation_top1": right.mean(0)}

    def _judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Loss, and whether the angle was told, of every image at every angle, [A, B] each."""
        turned, labels = self.rotate(self.inputs.normalise(images))
        predicted = self.classifier(self.encoder(turned))
        losses = F.cross_entropy(predicted, labels, reduction="none")
        right = (predicted.detach().argmax(1) == labels).float()
        return losses.view(len(self.angles), -1), right.view(len(self.angles), -1)


def _checked(angles: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(angles, (tuple, list)):
        raise UserError(f"RotationNet.angles is {angles!r}: bind a list such as (0, 90, 180, 270).")
    for angle in angles:
        if isinstance(angle, bool) or not isinstance(angle, int | float) or angle % 90:
            raise UserError(
                f"RotationNet.angles has {angle!r}, which is not a multiple of 90 degrees: bind "
                "some of 0, 90, 180, 270."
            )
    if len({angle % 360 for angle in angles}) != len(angles) or len(angles) < 2:
        raise UserError(
            f"RotationNet.angles is {tuple(angles)}: bind at least two, no two of them alike."
        )
    return tuple(int(angle) for angle in angles)


def _square(inputs: Callable[..., Any] | None) -> Callable[[DataSpec], Inputs]:
    """A factory of the same inputs, cut to their central square."""
    factory = inputs or gin.get_configurable(Inputs)

    def build(spec: DataSpec) -> Inputs:
        built: Inputs = factory(spec)
        side = min(built.size)
        if built.size == (side, side):
            return built
        logger.info(
            "RotationNet sees the central %dx%d pixels of the %dx%d images", side, side, *built.size
        )
        return factory(spec, size=(side, side))  # type: ignore[no-any-return]

    return build
