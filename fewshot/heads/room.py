"""How much is compared at a time: what stays near a processor, or a part of a GPU's free memory."""

from typing import NamedTuple

import torch
from torch import Tensor

_LARGEST = 2**29  # numbers in a block on a GPU; more is no faster
_SHARE = 32  # a block takes that part of the free memory, for it is not all there is
_DEVICE_QUERIES = 2**12


class Room(NamedTuple):
    """numbers: in a block of references, of distances, or of differences; queries: at a time."""

    numbers: int
    queries: int

    def of(self, features: Tensor) -> "Room":
        """The same for features on a processor, as much as fits for those on a GPU."""
        if not features.is_cuda:
            return self
        free, _ = torch.cuda.mem_get_info(features.device)
        fitting = free // (_SHARE * features.element_size())
        return Room(max(self.numbers, min(_LARGEST, fitting)), max(self.queries, _DEVICE_QUERIES))

    def references(self, width: int, n_classes: int) -> int:
        """How many make a block, their distances to a chunk of the queries, too."""
        chunk = max(self.queries, width)
        # limits of thousands of classes are not worth it for fewer references than that
        return max(1, self.numbers // chunk, min(4 * n_classes, 2**24 // chunk))
