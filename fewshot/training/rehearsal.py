"""What a run will do, tried beforehand on copies, so that the run itself has not moved."""

import copy
import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from fewshot.batch import Batch
from fewshot.errors import UserError
from fewshot.training.fabric import compiler_idle

logger = logging.getLogger("fewshot")

ALWAYS_LOGGED = ("train/loss", "train/lr")


def check_logged(followed: str, objective: nn.Module, batch: Batch) -> None:
    """Refuse "train/name" that no training step will log, by the logs of one batch.

    Raises UserError that names what there is.
    """
    copied = copy.deepcopy(objective).train()
    with torch.no_grad():
        _, logs = copied(batch)
    names = sorted({*ALWAYS_LOGGED, *(f"train/{name}" for name in logs)})
    if followed not in names:
        raise UserError(
            f"main.select_by is {followed!r}, which no training step logs: bind one of "
            f"{', '.join(names)}, a figure of the validation split, or 'last'."
        )


def stepped_state(optimizer: Optimizer) -> Mapping[Any, Any] | None:
    """The state, a parameter each, that the optimiser has after a step; of zero gradients here.

    None for an optimiser that cannot be copied or takes no such step.
    """
    try:
        copied = copy.deepcopy(optimizer)
        step_on_zeros(copied)
        state = copied.state_dict()["state"]
    except Exception as error:  # a third party's, of any kind
        logger.debug("%s takes no step on zeros: %s", type(optimizer).__name__, error)
        return None
    return state if isinstance(state, Mapping) else None


def step_on_zeros(optimizer: Optimizer) -> None:
    """One step where every gradient is zero."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    with compiler_idle(optimizer):
        optimizer.step()
