"""Rotation prediction as a pretext task."""

from collections.abc import Callable, Sequence
from typing import Any

import gin
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.interfaces import Batch, DataSpec
from fewshot.objectives.inputs import Inputs
from fewshot.objectives.objective import Objective


def _square(inputs: Callable[..., Any] | None) -> Callable[[DataSpec], Inputs]:
    """A factory of the same inputs, cut to their central square."""
    factory = inputs or gin.get_configurable("Inputs")

    def build(spec: DataSpec) -> Inputs:
        built: Inputs = factory(spec)
        side = min(built.size)
        return built if built.size == (side, side) else factory(spec, size=(side, side))

    return build


@gin.register
class RotationNet(Objective):
    """Tell by how much an image was turned (RotNet, https://arxiv.org/abs/1803.07728).

    Every image of the batch is seen at every angle; the label is the angle's position in `angles`
    (degrees, counter-clockwise, multiples of 90). Where quarter turns are among them the images are
    cut to their central square first: a turned rectangle would give its angle away by its shape.
    head: factory of the angle classifier (default LinearHead). Raises UserError for other angles.
    """

    def __init__(
        self,
        spec: DataSpec,
        encoder: Callable[..., Any] | None = None,
        inputs: Callable[..., Any] | None = None,
        angles: Sequence[int] = (0, 90, 180, 270),
        head: Callable[..., Any] | None = None,
    ) -> None:
        self._check(angles)
        quarter_turns = any(angle % 180 for angle in angles)
        super().__init__(spec, encoder, _square(inputs) if quarter_turns else inputs)
        self.angles = tuple(int(angle) for angle in angles)
        head = head or gin.get_configurable("LinearHead")
        self.head = head(self.encoder.num_features, len(self.angles))

    @staticmethod
    def _check(angles: Sequence[int]) -> None:
        wrong = [angle for angle in angles if angle % 90]
        if wrong:
            raise UserError(
                f"RotationNet.angles has {wrong[0]}, which is not a multiple of 90: "
                "bind some of 0, 90, 180, 270."
            )
        if len({angle % 360 for angle in angles}) != len(angles) or len(angles) < 2:
            raise UserError(
                f"RotationNet.angles = {tuple(angles)}: bind at least two different angles."
            )

    def rotate(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """[B, C, S, S] -> ([A * B, C, S, S], labels int64 [A * B]), angle by angle."""
        turned = [torch.rot90(images, angle // 90, dims=(2, 3)) for angle in self.angles]
        labels = torch.arange(len(self.angles), device=images.device)
        return torch.cat(turned), labels.repeat_interleave(len(images))

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The cross-entropy of the angle over every image at every angle."""
        images, labels = self.rotate(self.inputs.normalise(self.augment(batch.images, batch.keys)))
        predicted = self.head(self.encoder(images))
        accuracy = (predicted.argmax(1) == labels).float().mean()
        return F.cross_entropy(predicted, labels), {"rotation_top1": accuracy.detach()}
