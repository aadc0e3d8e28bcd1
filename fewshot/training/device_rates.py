"""Optimisers whose step can be recorded: learning rates and counters where the parameters are."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from fewshot.training.cycled_adam import CycledAdam

logger = logging.getLogger("fewshot")

_FUSED = (Adam, AdamW, SGD)  # one kernel each, which reads the rate from the device
_APART = (
    "the training step is captured without its optimiser, %s as it is bound: with Adam, AdamW or "
    "SGD all of it is, if without dampening, maximize, foreach and differentiable."
)
_VARIES = ("params", "lr", "initial_lr")


class DeviceRates:
    """Lets an optimiser step by rates on the device; outside of `used` its groups are as ever.

    So schedules, checkpoints and logs see plain numbers, and a step recorded once follows them.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._rates = [
            torch.zeros((), device=group["params"][0].device) for group in optimizer.param_groups
        ]
        self._loaded = [0.0] * len(self._rates)
        self._cycled = CycledAdam(optimizer) if CycledAdam.serves(optimizer) else None

    @staticmethod
    def serve(optimizer: Optimizer) -> bool:
        """Whether the optimiser is one that can step so."""
        return type(optimizer) in _FUSED and not any(
            group.get("maximize")
            or group.get("differentiable")
            or group.get("foreach")
            or (group.get("momentum") and group.get("dampening"))  # see _begin_momenta
            for group in optimizer.param_groups
        )

    def load(self) -> None:
        """Take the rates as they are now."""
        if self._cycled is not None:
            self._cycled.load()
            return
        for number, group in enumerate(self._optimizer.param_groups):
            if self._loaded[number] != (value := float(group["lr"])):
                self._rates[number].fill_(value)
                self._loaded[number] = value

    def constants(self) -> list[tuple[Any, ...]]:
        """What a recorded step holds fast: all that the groups say but for what is loaded."""
        varies = _VARIES if self._cycled is None else (*_VARIES, "betas")
        return [
            tuple(value for name, value in group.items() if name not in varies)
            for group in self._optimizer.param_groups
        ]

    def is_as_recorded(self) -> bool:
        """Whether a recorded step would still do what the optimiser would: asked before each."""
        return self._cycled is None or self._cycled.is_as_recorded()

    def kept(self) -> dict[Tensor, int]:
        """How many values the optimiser keeps of each parameter."""
        return {parameter: len(state) for parameter, state in self._optimizer.state.items()}

    def forget_begun(self, before: Mapping[Tensor, int]) -> bool:
        """Whether it keeps more than before, which is forgotten: a recorded step would begin that
        anew at every repetition.
        """
        begun = [p for p, count in self.kept().items() if count != before.get(p, 0)]
        for parameter in begun:
            self._optimizer.state[parameter].clear()
        return bool(begun)

    @contextmanager
    def used(self, recorded: bool = False) -> Iterator[None]:
        """The optimiser steps by the rates on the device; recorded: in a step to be repeated."""
        if self._cycled is not None:
            self._move_counters()
            with self._cycled.stepping(recorded):
                yield
            return
        groups = self._optimizer.param_groups
        before = [dict(group) for group in groups]
        for group, rate in zip(groups, self._rates, strict=True):
            group.update(lr=rate, fused=True, foreach=False)
            if "capturable" in group:  # torch warns of it in any step that is not being recorded
                group["capturable"] = rate.is_cuda and torch.cuda.is_current_stream_capturing()
        self._move_counters()
        self._begin_momenta()
        try:
            yield
        finally:
            for group, values in zip(groups, before, strict=True):
                group.update(values)

    def _move_counters(self) -> None:
        """Where a checkpoint, or a step by other means, left them on the host."""
        for parameter, state in self._optimizer.state.items():
            counter = state.get("step")
            if isinstance(counter, Tensor) and counter.device != parameter.device:
                state["step"] = counter.to(parameter.device)

    def _begin_momenta(self) -> None:
        """Of parameters that get their first gradient after others have: torch's fused SGD takes
        all of them as begun, or none. From nothing, a first step is that of the gradient alone.
        """
        for group in self._optimizer.param_groups if type(self._optimizer) is SGD else ():
            moved = [p for p in group["params"] if p.grad is not None and group["momentum"]]
            states = [self._optimizer.state[parameter] for parameter in moved]
            late = [state.get("momentum_buffer") is None for state in states]
            for parameter, state, begins in zip(moved, states, late, strict=True):
                if begins and not all(late):
                    state["momentum_buffer"] = torch.zeros_like(parameter)


def device_rates(optimizer: Optimizer) -> DeviceRates | None:
    """None, and a word to the user, where the optimiser is not one that can step so."""
    if DeviceRates.serve(optimizer):
        return DeviceRates(optimizer)
    logger.info(_APART, type(optimizer).__name__)
    return None
