"""What to do where a run has so few steps that hardly anything is learned."""

import inspect
import logging

from fewshot.interfaces import Sampler
from fewshot.wording import counted

logger = logging.getLogger("fewshot")

FEW_AN_EPOCH, FEW_IN_ALL = 10, 100  # optimiser steps


def advise_steps(sampler: Sampler | None, num_epochs: int) -> None:
    """Log, before training, how to get more steps, where an epoch and the run have few."""
    steps = 0 if sampler is None else len(sampler)
    if not 0 < steps < FEW_AN_EPOCH or steps * num_epochs >= FEW_IN_ALL:
        return
    logger.info(
        "an epoch has %s, the run %s: hardly anything is learned in so few. %s, or raise "
        "main.num_epochs (now %d).",
        counted(steps, "step"),
        counted(steps * num_epochs, "step"),
        _more_an_epoch(type(sampler)),
        num_epochs,
    )


def _more_an_epoch(kind: type) -> str:
    """What makes for more steps an epoch, by the sampler's own parameters."""
    parameters = inspect.signature(kind).parameters
    for name in parameters:
        if name in ("batches_per_epoch", "episodes_per_epoch"):
            return f"Raise {kind.__name__}.{name}"
    if "batch_size" in parameters:
        return f"Lower {kind.__name__}.batch_size, e.g. to 16"
    return f"Have {kind.__name__} give smaller batches"
