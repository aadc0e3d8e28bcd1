"""What an objective is given: batches of images, and before those the facts about their data."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot.sharing import Share

IntArray = NDArray[np.int64]


def no_images() -> IntArray:
    """Digests of no image."""
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class WholeBatch:
    """What is known of every image of a batch, those of other processes included; see Batch."""

    labels: Tensor | None
    rows: Tensor
    keys: Tensor

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Batch:
    """What the trainer hands to an objective.

    images: uint8 [B, C, H, W]; labels: int64 [B] into the training class names, or None;
    rows: int64 [B], row indices into the training set; keys: int64 [B, 3], (seed, epoch,
    position in the epoch) of each image, from which its augmentation is drawn; share: where
    several processes share a batch, of which this is a part.

    A loss that is no mean over images, such as one that compares them, is computed of
    `gather(features)` and `whole`, alike in every process; without others both are what is here.
    """

    images: Tensor
    labels: Tensor | None
    rows: Tensor
    keys: Tensor
    share: Share | None = None

    def __len__(self) -> int:
        return len(self.images)

    def pinned(self) -> "Batch":
        """The same batch in memory from which a GPU copies while it computes."""
        return Batch(
            self.images.pin_memory(),
            None if self.labels is None else self.labels.pin_memory(),
            self.rows.pin_memory(),
            self.keys.pin_memory(),
            None if self.share is None else self.share.pinned(),
        )

    @property
    def whole(self) -> WholeBatch:
        """Labels, rows and keys of all processes' images, in the sampler's order."""
        known = self if self.share is None else self.share
        return WholeBatch(known.labels, known.rows, known.keys)

    def gather(self, values: Tensor) -> Tensor:
        """What was computed of these images, of all processes' images, with gradients.

        [V * B, ...], view by view; see Share.gather.
        """
        return values if self.share is None else self.share.gather(values)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return Batch(
            self.images.to(device, non_blocking=True),
            None if self.labels is None else self.labels.to(device, non_blocking=True),
            self.rows.to(device, non_blocking=True),
            self.keys.to(device, non_blocking=True),
            None if self.share is None else self.share.to(device),
        )


@dataclass(frozen=True)
class Column:
    """A further label column of the training rows.

    class_names: what it says there, sorted; labels: int64 [rows] into them, -1 where it is blank.
    """

    class_names: tuple[str, ...]
    labels: IntArray


@dataclass(frozen=True)
class DataSpec:
    """What an objective may know of the training data before it sees a batch.

    class_names: the training classes, sorted (empty when unlabelled); image_size: (height, width);
    resize: the rule that brought images to it, 'stretch' or 'pad', None where it is not known;
    mean, std: of the training pixels, a value a channel, in [0, 1]; covariance: of their channels,
    [channels][channels], empty where it is not known; rows: number of training rows;
    csv_digest: of the training CSV, stored in model.mdl; image_digests: int64 [rows], of each
    training image's pixels, stored there, too (empty where they are not known); class_counts:
    training rows of each class (empty where they are not known); column: a further label column by
    its name in the training CSV (None where there is no CSV); raises UserError for other names.
    """

    class_names: tuple[str, ...]
    channels: int
    image_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    rows: int
    csv_digest: str = ""
    image_digests: IntArray = field(default_factory=no_images, compare=False, repr=False)
    class_counts: tuple[int, ...] = field(default=(), compare=False, repr=False)
    resize: str | None = None
    covariance: tuple[tuple[float, ...], ...] = ()
    column: Callable[[str], Column] | None = field(default=None, compare=False, repr=False)
