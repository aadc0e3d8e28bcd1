"""How a process leaves those that it has computed with."""

import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist

# Imported once others are met, as a model is shared, its functions' defaults would hold on to them.
import torch.distributed.nn.functional  # noqa: F401

from fewshot.training.agreement import AgreedStop


@contextmanager
def parting() -> Iterator[None]:
    """At its end this process leaves the others, if it has met them inside.

    The threads that exchange end only when nothing holds on to what they are of, such as a model
    that is shared. One that still holds a tensor when the interpreter ends aborts the process
    (https://github.com/pytorch/pytorch/pull/179291). After an error they may wait for a process
    that is gone: they end with this one.
    """
    before = dist.is_initialized()
    try:
        yield
    except AgreedStop as stop:
        traceback.clear_frames(stop.__traceback__)  # which hold the shared model
        _part(before)
        raise
    _part(before)


def _part(before: bool) -> None:
    if dist.is_initialized() and not before:
        gc.collect()
        dist.destroy_process_group()
