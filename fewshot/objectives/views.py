"""Several augmented views of one batch, each with its own draws."""

import torch
from torch import Tensor

from fewshot.interfaces import Batch
from fewshot.objectives.objective import Objective


def view_keys(keys: Tensor, view: int) -> Tensor:
    """The keys of one view: int64 [B, K] -> [B, K + 1]."""
    return torch.cat([keys, torch.full_like(keys[:, :1], view)], dim=1)


def two_views(objective: Objective, batch: Batch) -> tuple[Tensor, Tensor]:
    """The encoder's features of two views, [B, D] each, from one pass over both."""
    views = [
        objective.inputs.normalise(objective.augment(batch.images, view_keys(batch.keys, view)))
        for view in range(2)
    ]
    first, second = objective.encoder(torch.cat(views)).chunk(2)
    return first, second
