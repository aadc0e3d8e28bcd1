"""A batch that stays in its place, for a recorded step to read."""

from typing import Any

import torch

from fewshot.batch import Batch
from fewshot.training.recording import detached_copy


def static_copy(batch: Batch) -> Batch:
    """One like it."""
    labels = None if batch.labels is None else detached_copy(batch.labels)
    return Batch(
        detached_copy(batch.images), labels, detached_copy(batch.rows), detached_copy(batch.keys)
    )


def shape_of(batch: Batch) -> Any:
    """What two batches must have alike to take one place."""
    labels = None if batch.labels is None else batch.labels.shape
    return batch.images.shape, batch.images.dtype, labels


def load(static: Batch, batch: Batch) -> None:
    """Put a batch there."""
    static.images.copy_(batch.images, non_blocking=True)
    kept, new = [static.rows, static.keys], [batch.rows, batch.keys]
    if static.labels is not None and batch.labels is not None:
        kept.append(static.labels)
        new.append(batch.labels)
    torch._foreach_copy_(kept, new, non_blocking=True)  # one launch for all of them
