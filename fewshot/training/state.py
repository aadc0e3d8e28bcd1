"""Everything a run needs to go on where it stopped, and the running averages of an epoch."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fewshot.errors import UserError
from fewshot.training.monitor import Monitor

logger = logging.getLogger("fewshot")


@dataclass
class Progress:
    """How far a run is; `epoch` and `step` name the next step to be done, both from 0.

    total_steps: optimiser steps so far; seconds: of training so far, over all resumed parts;
    metrics_position: bytes of metrics.jsonl that belong to it.
    """

    epoch: int = 0
    step: int = 0
    total_steps: int = 0
    seconds: float = 0.0
    metrics_position: int = 0
    stopped_early: bool = False
    done: bool = False


class Averages:
    """Means of the loss and the logs over an epoch's images, kept on the device.

    Nothing is read back before `means`, so that a step does not wait for the device.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._weight = 0

    def add(self, figures: Mapping[str, Tensor], weight: int) -> None:
        """Detached scalars of one batch of `weight` images."""
        for name, value in figures.items():
            weighted = value.float() * weight
            known = self._sums.get(name)
            self._sums[name] = weighted if known is None else known + weighted
        self._weight += weight

    def means(self) -> dict[str, float]:
        """The means so far; waits for the device."""
        if not self._sums:
            return {}
        values: list[float] = torch.stack(list(self._sums.values())).tolist()
        return {name: value / self._weight for name, value in zip(self._sums, values, strict=True)}

    def mean(self, name: str) -> float:
        """One of them; waits for the device."""
        return float(self._sums[name]) / self._weight

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return {"sums": dict(self._sums), "weight": self._weight}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Go on from saved values."""
        self._sums = {name: value.to(device) for name, value in state["sums"].items()}
        self._weight = state["weight"]


class Stateful(Protocol):
    """What has a state that can be saved and loaded."""

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from saved values."""
        ...


@dataclass
class TrainingState:
    """The parts of a run whose state last.ckpt holds; schedule is None where the rate is fixed."""

    objective: nn.Module
    optimizer: Optimizer
    schedule: Any
    precision: Stateful
    monitor: Monitor
    progress: Progress = field(default_factory=Progress)
    averages: Averages = field(default_factory=Averages)

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors; the thread count tells whether bits can be reproduced."""
        return {
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "precision": self.precision.state_dict(),
            "monitor": self.monitor.state_dict(),
            "progress": asdict(self.progress),
            "averages": self.averages.state_dict(),
            "threads": torch.get_num_threads(),
        }

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Go on from saved values; raises UserError when they belong to another configuration."""
        if (self.schedule is None) != (state["schedule"] is None):
            raise UserError(
                "last.ckpt and the configuration disagree on whether there is a schedule: resume "
                "with the code that started the experiment."
            )
        try:
            self.objective.load_state_dict(state["objective"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise UserError(
                "last.ckpt does not fit the objective and optimiser of the configuration "
                f"({' '.join(str(error).split())[:300]}): resume with the code that started the "
                "experiment."
            ) from error
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        self.precision.load_state_dict(state["precision"])
        self.monitor.load_state_dict(state["monitor"])
        self.progress = Progress(**state["progress"])
        self.averages.load_state_dict(state["averages"], device)
        if state["threads"] != torch.get_num_threads():
            logger.warning(
                "the run used %d threads and goes on with %d: its weights will differ in the last "
                "bits from an uninterrupted run's",
                state["threads"],
                torch.get_num_threads(),
            )
