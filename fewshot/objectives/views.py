"""Two augmented views of every image of a batch, and the losses that compare them."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.batch import Batch
from fewshot.errors import UserError
from fewshot.objectives.objective import Objective


def view_keys(keys: Tensor, view: int) -> Tensor:
    """The keys that one view is drawn from: int64 [B, K] -> [B, K + 1]."""
    return torch.cat([keys, torch.full_like(keys[:, :1], view)], dim=1)


def check_augmented(objective: Objective) -> None:
    """Raise UserError where nothing is drawn, so that all views of an image would be alike."""
    if not objective.inputs.transforms:
        raise UserError(
            f"{type(objective).__name__} learns from distorted views, but Inputs.augment is not "
            "bound: bind transforms, e.g. Inputs.augment = [@RandomCrop, @HorizontalFlip]."
        )


def both_views(objective: Objective, batch: Batch) -> Tensor:
    """Two augmented, normalised views of each image, [2 B, C, H, W], all first ones first.

    Raises UserError for a batch of one image, which has no other to differ from.
    """
    if len(batch.whole) < 2:
        raise UserError(
            f"{type(objective).__name__} compares the images of a batch, and this one has a single "
            "image: bind ShuffledBatches.batch_size = 2 or more, and drop_last = True."
        )
    views = [
        objective.inputs.normalise(objective.augment(batch.images, view_keys(batch.keys, view)))
        for view in range(2)
    ]
    return torch.cat(views)


def two_views(objective: Objective, batch: Batch) -> tuple[Tensor, Tensor]:
    """The encoder's features of two views, [B, D] each, from one pass over both."""
    first, second = objective.encoder(both_views(objective, batch)).chunk(2)
    return first, second


def spread(projected: Tensor) -> Tensor:
    """About 1 where projections [B, D] fill all directions, 0 where all images have the same.

    The standard deviation of projections of length 1, averaged over dimensions, times the root of
    their number.
    """
    directions = F.normalize(projected.detach().float())
    found: Tensor = directions.std(0, unbiased=False).mean() * directions.shape[1] ** 0.5
    return found


def loss_of_views(
    objective: Objective,
    batch: Batch,
    projection: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of the projections of two views, computed in float32 whatever the precision.

    Of all processes' images. Logs the `spread` of the first view's projections.
    """
    first, second = (
        batch.gather(projection(features).float()) for features in two_views(objective, batch)
    )
    with torch.autocast(first.device.type, enabled=False):
        value = loss(first, second)
        return value, {"spread": spread(first)}
