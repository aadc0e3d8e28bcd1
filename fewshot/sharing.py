"""What several processes share of one batch: each computes a part, losses may ask for the whole.

Everything here is differentiable: what a process gets back as a gradient is the sum of those of all
processes, so that with gradients averaged over them, as data-parallel training does, a loss of the
whole batch moves the weights as one process would (pytorch-metric-learning's and lightly's own ways
of gathering once differed by a factor of the number of processes).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor

PATIENCE = timedelta(minutes=30)  # to wait for other processes while all are at work


class _Sum(torch.autograd.Function):
    """The sum over processes, whose gradient is the sum of their gradients."""

    @staticmethod
    def forward(_ctx: Any, values: Tensor) -> Tensor:
        return _reduced(values)

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        return _reduced(gradients[0])


def _reduced(values: Tensor) -> Tensor:
    """Half precision is added up in float32."""
    half = values.is_floating_point() and values.element_size() < 4
    total = values.float() if half else values.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total.to(values.dtype)


def summed(values: Tensor) -> Tensor:
    """The elementwise sum over all processes, which must have tensors of one shape."""
    return cast(Tensor, _Sum.apply(values))


class Share:
    """One process's part of a batch that several share, and what all know of the whole.

    places: int64 [b], where this process's images stand in the whole batch; labels, rows, keys: of
    the whole batch of B images, as Batch has them of a part. Parts may be of different sizes.
    """

    # no dataclass, as Fabric would take one apart
    def __init__(self, places: Tensor, labels: Tensor | None, rows: Tensor, keys: Tensor) -> None:
        self.places, self.labels, self.rows, self.keys = places, labels, rows, keys

    def __len__(self) -> int:
        """Images of the whole batch."""
        return len(self.rows)

    def pinned(self) -> "Share":
        """The same in memory from which a GPU copies while it computes; places stay."""
        labels = None if self.labels is None else self.labels.pin_memory()
        return Share(self.places, labels, self.rows.pin_memory(), self.keys.pin_memory())

    def to(self, device: torch.device | str) -> "Share":
        """The same on another device."""
        moved: Sequence[Any] = [
            None if part is None else part.to(device, non_blocking=True)
            for part in (self.places, self.labels, self.rows, self.keys)
        ]
        return Share(*moved)

    def gather(self, values: Tensor) -> Tensor:
        """[V * b, ...] of this process's V views of each image -> [V * B, ...] of all processes'.

        Both are ordered view by view, and inside as the batch is in one process. Every process must
        call it, with values of one width.
        """
        views, size = len(values) // len(self.places), len(self)
        index = torch.cat([self.places + view * size for view in range(views)])
        whole = values.new_zeros(views * size, *values.shape[1:]).index_copy(0, index, values)
        return summed(whole)
