"""Everything a run needs to go on where it stopped."""

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fewshot.errors import UserError
from fewshot.training.alike import check_alike, check_stepped
from fewshot.training.averaging import WeightAverage
from fewshot.training.epoch_means import Averages
from fewshot.training.fit import Summary
from fewshot.training.monitor import Monitor, with_ties
from fewshot.training.rehearsal import stepped_state
from fewshot.training.schedules import Schedule

logger = logging.getLogger("fewshot")


@dataclass
class Progress:
    """How far a run is; `epoch` and `step` name the next step to be done, both from 0.

    total_steps: optimiser steps so far; seconds: of training so far, over all resumed parts;
    metrics_position: bytes of metrics.jsonl that belong to it; metrics_crc: CRC-32, 0: not known.
    """

    epoch: int = 0
    step: int = 0
    total_steps: int = 0
    seconds: float = 0.0
    metrics_position: int = 0
    metrics_crc: int = 0
    stopped_early: bool = False
    done: bool = False

    def check(self, epochs: int, steps: int) -> None:
        """Raise UserError unless a run of so many epochs, of so many steps, can have come so far.

        That is so by type and by range; what it is checked for was read from a file.
        """
        most = {"epoch": epochs, "step": steps - 1, "total_steps": epochs * steps}
        for name, fresh in asdict(Progress()).items():
            value = getattr(self, name)
            if type(value) is not type(fresh) or not 0 <= value <= most.get(name, math.inf):
                raise UserError(
                    f"last.ckpt says that progress.{name} is {value!r}, which no run of "
                    f"{epochs} epochs of {steps} steps can have reached: resume with the config "
                    "that started the experiment, or start anew."
                )
        if math.isinf(self.seconds) or (self.epoch == epochs and not self.done):
            raise UserError("last.ckpt is at the end of the run, but not done: start anew.")


class Stateful(Protocol):
    """What has a state that can be saved and loaded."""

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from saved values."""
        ...


_PARTS = ("objective", "optimizer", "schedule", "precision", "monitor", "average", "averages")


@dataclass
class TrainingState:
    """The parts of a run whose state last.ckpt holds."""

    objective: nn.Module
    optimizer: Optimizer
    schedule: Schedule
    precision: Stateful
    monitor: Monitor
    average: WeightAverage
    progress: Progress = field(default_factory=Progress)
    averages: Averages = field(default_factory=Averages)

    def after_step(self, logs: Mapping[str, Tensor], images: int) -> None:
        """Take in what one step on so many images gave, and move on to the next."""
        self.averages.add(logs, images)
        self.average.update()
        self.schedule.after_step()
        self.progress.step += 1
        self.progress.total_steps += 1

    def summary(self, history: list[dict[str, Any]]) -> Summary:
        """What the run did, with the rows of its metrics.jsonl."""
        progress, standing = self.progress, self.monitor.standing
        logger.info(self.monitor.chosen(progress.epoch))
        return Summary(
            epochs=progress.epoch,
            best_epoch=standing.best_epoch or progress.epoch,
            best_value=standing.best_value,
            train_seconds=progress.seconds,
            selected_by=self.monitor.select_by,
            stopped_early=progress.stopped_early,
            history=history,
        )

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors; the thread count tells whether bits can be reproduced."""
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        return parts | {"progress": asdict(self.progress), "threads": torch.get_num_threads()}

    def load_state_dict(
        self, state: Mapping[str, Any], device: torch.device, epochs: int, steps: int
    ) -> None:
        """Go on from saved values, of a run of so many epochs of so many steps each.

        Raises UserError when they belong to another configuration, or are none.
        """
        state = with_ties(state)
        try:
            check_alike(state, self.state_dict())
            check_stepped(state["optimizer"]["state"], stepped_state(self.optimizer))
            for name in _PARTS:
                more = [device] if name == "averages" else []
                getattr(self, name).load_state_dict(state[name], *more)
            self.progress = Progress(**state["progress"])
        except UserError:
            raise
        except Exception as error:  # a part's own, of many kinds, for what it cannot take
            raise UserError(
                "last.ckpt does not fit the objective and optimiser of the configuration "
                f"({' '.join(str(error).split())[:300]}): resume with the code that started the "
                "experiment."
            ) from error
        self.progress.check(epochs, steps)
        done = (self.progress.epoch, self.progress.step)
        logger.info("resuming after %d epochs and %d steps", *done)
        if state["threads"] != torch.get_num_threads():
            logger.warning(
                "the run used %s threads and goes on with %d: its weights will differ in the last "
                "bits from an uninterrupted run's",
                state["threads"],
                torch.get_num_threads(),
            )
