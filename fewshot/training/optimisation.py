"""Optimisers, built over an objective's parameter groups."""

import logging
from collections.abc import Callable
from typing import Any

import gin
from torch import nn
from torch.optim import Optimizer

from fewshot.binding.filling import call_filled
from fewshot.binding.registrations import register
from fewshot.errors import UserError

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
    Raises UserError when nothing is trainable or the optimiser refuses its bindings.
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
    for group in optimizer.param_groups:
        group["lr"] *= group.get("lr_factor", 1.0)
    return optimizer
