"""Optimisers and learning-rate schedules, built from factories once the sizes are known."""

import inspect
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gin
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

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


@gin.register
class WarmupCosine(LambdaLR):
    """A linear rise to the learning rate, then half a cosine down to `final` of it.

    The cosine is that of SGDR without restarts (https://arxiv.org/abs/1608.03983). warmup: share
    of the total_steps that rise.
    """

    def __init__(
        self, optimizer: Optimizer, total_steps: int, warmup: float = 0.05, final: float = 0.0
    ) -> None:
        if not 0 <= warmup < 1:
            raise ValueError(f"warmup is a share of the steps in [0, 1), not {warmup}")
        rise = math.ceil(warmup * total_steps)

        def factor(step: int) -> float:
            if step < rise:
                return (step + 1) / (rise + 1)
            done = min(1.0, (step - rise) / max(1, total_steps - rise))
            return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2

        super().__init__(optimizer, factor)


@dataclass(frozen=True)
class ScheduleSizes:
    """What schedules are filled with where a config leaves it open.

    every: 'step' or 'epoch', how often the schedule moves; mode: 'max' or 'min', whether the
    monitored figure is better when higher or lower (for reduce-on-plateau).
    """

    epochs: int
    steps_per_epoch: int
    every: str
    mode: str

    def __post_init__(self) -> None:
        if self.every not in ("step", "epoch"):
            raise UserError(f"main.schedule_every is {self.every!r}: bind 'step' or 'epoch'.")

    def fillings(self) -> dict[str, int]:
        """Values by parameter name, counted in moves of the schedule."""
        per_epoch = self.steps_per_epoch if self.every == "step" else 1
        total = self.epochs * per_epoch
        return {
            "total_steps": total,
            "T_max": total,
            "epochs": self.epochs,
            "steps_per_epoch": per_epoch,
        }


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
        factory = gin.get_configurable("torch.optim.Adam")
    groups: list[dict[str, Any]] = list(objective.parameter_groups())  # type: ignore[operator]
    optimizer: Optimizer = _call(factory, groups, {}, "main.optimizer")
    for group in optimizer.param_groups:
        group["lr"] *= group.get("lr_factor", 1.0)
    return optimizer


def build_schedule(factory: Factory | None, optimizer: Optimizer, sizes: ScheduleSizes) -> Any:
    """The schedule over the optimiser, or None; open sizes in its signature are filled.

    Raises UserError when a required parameter is unbound or a bound value is refused.
    """
    if factory is None:
        return None
    fillings: dict[str, Any] = sizes.fillings()
    if needs_figure(factory):
        fillings["mode"] = sizes.mode
    schedule = _call(factory, optimizer, fillings, "main.schedule")
    _check_factors(optimizer, _name(_original(factory)))
    return schedule


def _check_factors(optimizer: Optimizer, schedule: str) -> None:
    """Refuse a schedule that has just given one rate to groups whose rates differ by a factor."""
    groups = optimizer.param_groups
    plain = [group["lr"] for group in groups if group.get("lr_factor", 1.0) == 1.0]
    for group in groups:
        factor = group.get("lr_factor", 1.0)
        if factor != 1.0 and plain and group["lr"] == plain[0] > 0:
            raise UserError(
                f"{schedule} gives every parameter the same learning rate, so that the factor "
                f"{factor:g} of some, the objective's proxies, would be lost: bind a schedule that "
                "multiplies, e.g. main.schedule = @WarmupCosine, or a proxy_lr_factor of 1."
            )


def needs_figure(schedule: Any) -> bool:
    """Whether the schedule's `step` takes the monitored figure, as reduce-on-plateau's does."""
    step = getattr(schedule, "step", None)
    return step is not None and "metrics" in inspect.signature(step).parameters


def _call(factory: Factory, first: Any, fillings: Mapping[str, Any], binding: str) -> Any:
    """Call the factory with what it needs and nobody bound."""
    original = _original(factory)
    name = _name(original)
    parameters = dict(list(inspect.signature(original).parameters.items())[1:])
    required = {
        key
        for key, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    filled = {key: value for key, value in fillings.items() if key in parameters}
    unbound = _unbound(factory, first, required | filled.keys())
    if {"epochs", "steps_per_epoch"} & (filled.keys() - unbound):
        filled.pop("total_steps", None)  # else the bound pair would silently lose to it
    missing = sorted((required & unbound) - filled.keys())
    if missing:
        raise UserError(
            f"{name}.{missing[0]} is not bound, and {name} cannot do without it: bind it in the "
            f'config or with -p "{name}.{missing[0]}=...".'
        )
    try:
        return factory(first, **{key: value for key, value in filled.items() if key in unbound})
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise UserError(
            f"{name} ({binding}) refuses its bindings: {str(error).splitlines()[0]}"
        ) from error


def _unbound(factory: Factory, first: Any, names: set[str]) -> set[str]:
    """Which of the parameters have no binding in the factory's own scope.

    Gin tells it: a parameter passed as gin.REQUIRED that has no binding is named in an error
    raised before the factory's body runs. The probe adds one that never has a binding, so that the
    body is never reached.
    """
    if _original(factory) is factory:
        return set(names)
    never = "a parameter that nobody can bind"
    try:
        factory(first, **dict.fromkeys([*names, never], gin.REQUIRED))
    except RuntimeError as error:
        return {name for name in names if f"'{name}'" in str(error)}
    except TypeError:  # wrapped, but not by gin
        pass
    return set(names)


def _original(factory: Factory) -> Any:
    """What gin wrapped: of a class, the first base that is not gin's; else the inner function."""
    if not inspect.isclass(factory):
        return inspect.unwrap(factory)
    return next(base for base in factory.__mro__ if not hasattr(type(base).__call__, "__wrapped__"))


def _name(original: Any) -> str:
    """The name a config binds it under."""
    module = str(original.__module__)
    if module.startswith("torch.optim."):
        prefix = "torch.optim.lr_scheduler" if "lr_scheduler" in module else "torch.optim"
        return f"{prefix}.{original.__name__}"
    return str(original.__name__)
