"""Optimisers, built over an objective's parameter groups."""

import logging
from collections.abc import Callable
from typing import Any

import gin
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fewshot.binding.filling import call_filled, name_of
from fewshot.binding.registrations import register
from fewshot.errors import UserError
from fewshot.training.rehearsal import step_on_zeros

logger = logging.getLogger("fewshot")

Factory = Callable[..., Any]


@gin.register
def RangerLars(params: Any, lr: float = 1e-3, weight_decay: float = 0.0, k: int = 5) -> Optimizer:  # noqa: N802
    """Lookahead (https://arxiv.org/abs/1907.08610) over LAMB (https://arxiv.org/abs/1904.00962).

    LAMB with the rectified warm-up of RAdam (https://arxiv.org/abs/1908.03265); k: steps between
    two pulls towards the slow weights.
    """
    from pytorch_optimizer import Lamb, Lookahead  # takes a second to import: only when used

    fast = Lamb(params, lr=lr, weight_decay=weight_decay, rectify=True)
    slow: Optimizer = Lookahead(fast, k=k)
    return slow


def build_optimizer(factory: Factory | None, objective: nn.Module) -> Optimizer:
    """The optimiser over the objective's parameter groups; torch.optim.Adam where none is bound.

    A group's `lr_factor` multiplies its learning rate.
    Raises UserError when nothing is trainable or the optimiser refuses its bindings, at once or in
    its first step.
    """
    if not any(parameter.requires_grad for parameter in objective.parameters()):
        raise UserError(
            f"{type(objective).__name__} has no trainable parameter: unfreeze a part, or bind "
            "main.num_epochs = 0 to evaluate only."
        )
    if factory is None:
        logger.info("main.optimizer is not bound: torch.optim.Adam is used")
        register("torch.optim.Adam")
        factory = gin.get_configurable("torch.optim.Adam")
    groups: list[dict[str, Any]] = list(objective.parameter_groups())  # type: ignore[operator]
    optimizer: Optimizer = call_filled(factory, "main.optimizer", {}, groups)
    _rehearse(factory, groups, next(objective.parameters()).device)
    for group in optimizer.param_groups:
        group["lr"] *= group.get("lr_factor", 1.0)
    return optimizer


def _rehearse(factory: Factory, groups: list[dict[str, Any]], device: torch.device) -> None:
    """Raise UserError where the optimiser cannot take steps as it is bound, on small parameters."""
    name = f"{name_of(factory)} (main.optimizer)"
    ones = torch.ones(2, 2, device=device)
    small = [{**group, "params": [nn.Parameter(ones.clone())]} for group in groups]
    trial: Optimizer = call_filled(factory, "main.optimizer", {}, small)
    if not all(isinstance(group.get("lr"), float | int | Tensor) for group in trial.param_groups):
        raise UserError(f"{name} has no learning rate, as it is bound: bind its lr, or another.")
    try:
        for _ in range(2):  # the first may only fill what the second reads
            step_on_zeros(trial)
    except Exception as error:  # a third party's, of any kind
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{name} cannot take a step as it is bound: {reason[0]}") from error
