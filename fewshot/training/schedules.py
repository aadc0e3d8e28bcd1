"""Learning-rate schedules: built once the sizes are known, and moved when it is their time."""

import copy
import inspect
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gin
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from fewshot.binding.filling import call_filled, name_of, unbound
from fewshot.errors import UserError

Factory = Callable[..., Any]


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
            raise UserError(
                f"WarmupCosine.warmup is {warmup}: bind a share of the steps in [0, 1)."
            )
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


class Schedule:
    """The bound schedule over an optimiser, or none; moved by the step, the epoch or a figure.

    Raises UserError as `build_schedule` does, and for one that ends before the run or fails on its
    way there.
    """

    def __init__(self, factory: Factory | None, optimizer: Optimizer, sizes: ScheduleSizes) -> None:
        self._every, self._optimizer = sizes.every, optimizer
        self._built = build_schedule(factory, optimizer, sizes)
        self._follows_figure = self._built is not None and needs_figure(self._built)
        if self._built is not None:
            # one that follows a figure moves by it, and is tried with one that never gets better
            figure = (0.0,) if self._follows_figure else ()
            moves = sizes.epochs if self._follows_figure else sizes.fillings()["total_steps"]
            self._rehearse(self._built, moves, *figure)

    def _rehearse(self, schedule: Any, moves: int, *figure: float) -> None:
        """Move it as often as a whole run will, and back to the start."""
        kept = copy.deepcopy(schedule.state_dict())
        groups = [
            {key: copy.deepcopy(value) for key, value in group.items() if key != "params"}
            for group in self._optimizer.param_groups
        ]
        done = 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that no optimiser step came before
                for done in range(moves):  # noqa: B007
                    schedule.step(*figure)
        except Exception as error:  # a schedule's own, of many kinds
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise UserError(
                f"{name_of(type(schedule))} (main.schedule) fails after {done} of the {moves} "
                f"moves of this run: {reason[0]}. Bind it to be as long as the run, or leave its "
                f"length unbound; it moves every {self._every} (main.schedule_every)."
            ) from error
        finally:
            for group, values in zip(self._optimizer.param_groups, groups, strict=True):
                group.update(values)
            schedule.load_state_dict(kept)

    def after_step(self) -> None:
        """An optimiser step was done."""
        if self._built is not None and self._every == "step" and not self._follows_figure:
            self._built.step()

    def after_epoch(self, figure: float | None) -> None:
        """An epoch was done; figure: the monitored one, None where the epoch was not validated."""
        if self._built is None:
            return
        if self._follows_figure:
            if figure is not None:
                self._built.step(figure)
        elif self._every == "epoch":
            self._built.step()

    def state_dict(self) -> dict[str, Any] | None:
        """Plain values; None where there is no schedule."""
        return None if self._built is None else self._built.state_dict()

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Go on from saved values."""
        if self._built is not None:
            self._built.load_state_dict(state)


def build_schedule(factory: Factory | None, optimizer: Optimizer, sizes: ScheduleSizes) -> Any:
    """The schedule over the optimiser, or None; open sizes in its signature are filled.

    Raises UserError when a required parameter is unbound or a bound value is refused.
    """
    if factory is None:
        return None
    fillings: dict[str, Any] = sizes.fillings()
    pair = {"epochs", "steps_per_epoch"}
    if unbound(factory, pair, optimizer) < pair:
        del fillings["total_steps"]  # else what is bound of the pair would silently lose to it
    if needs_figure(factory):
        fillings["mode"] = sizes.mode
    schedule = call_filled(factory, "main.schedule", fillings, optimizer)
    _check_factors(optimizer, name_of(factory))
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
                "multiplies, e.g. main.schedule = @WarmupCosine, or an lr_factor of 1."
            )


def needs_figure(schedule: Any) -> bool:
    """Whether the schedule's `step` takes the monitored figure, as reduce-on-plateau's does."""
    step = getattr(schedule, "step", None)
    return step is not None and "metrics" in inspect.signature(step).parameters
