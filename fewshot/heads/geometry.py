"""What heads share: distances by products, and the prototypes of a support set."""

import torch
from torch import Tensor

from fewshot.errors import UserError

_WITHOUT_FLOAT64 = {"mps"}


def has_float64(device: torch.device) -> bool:
    """Whether it computes in float64, which exact distances need; Apple's GPUs do not."""
    return device.type not in _WITHOUT_FLOAT64


def check_float64(owner: str, device: torch.device) -> None:
    """Raises UserError on a device that has no float64."""
    if not has_float64(device):
        raise UserError(
            f"{owner} computes in float64, which the device '{device.type}' does not have: move "
            "the features to the CPU."
        )


def less_own_length(query: Tensor, references: Tensor) -> Tensor:
    """Squared distances [..., Q, R] of query [..., Q, D] to references [..., R, D], but for the
    squared length of the query: it changes no order, and of far ones would round away what does.
    """
    lengths: Tensor = torch.linalg.vecdot(references, references).unsqueeze(-2)
    return lengths - 2 * (query @ references.transpose(-1, -2))


def prototypes(support: Tensor, labels: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    """The mean support feature of each class, and the number of rows it is the mean of.

    support [..., S, D] and labels int64 [..., S] -> [..., n_classes, D] and [..., n_classes]. A
    class without rows has a zero mean and a zero count. Leading dimensions are episodes.
    """
    episodes = support.shape[:-2]
    flat = support.reshape(-1, *support.shape[-2:])
    offsets = torch.arange(len(flat), device=labels.device).unsqueeze(1) * n_classes
    slots = (labels.reshape(len(flat), -1) + offsets).flatten()
    sums = support.new_zeros(len(flat) * n_classes, support.shape[-1])
    sums.index_add_(0, slots, flat.flatten(0, 1))
    counts = torch.bincount(slots, minlength=len(sums)).to(support.dtype)
    means = sums / counts.clamp(min=1).unsqueeze(1)
    return means.reshape(*episodes, n_classes, -1), counts.reshape(*episodes, n_classes)


def without_empty(scores: Tensor, counts: Tensor) -> Tensor:
    """The scores [..., Q, C] with classes that have no support (counts [..., C]) at -inf."""
    return scores.masked_fill(counts.unsqueeze(-2) == 0, -torch.inf)
