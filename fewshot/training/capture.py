"""The training step captured: recorded once, replayed for every further batch of its size."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from fewshot.batch import Batch
from fewshot.errors import UserError
from fewshot.training.ahead import Ahead, foreseen
from fewshot.training.device_rates import device_rates
from fewshot.training.recording import Recorder
from fewshot.training.static_batch import load, shape_of, static_copy
from fewshot.training.step import TrainingStep
from fewshot.training.watching import displaced, places, watched

logger = logging.getLogger("fewshot")

_WARM = 3  # steps before the recording, of which the last two are watched

_MOVED = (
    "the training step is captured without its optimiser: main.schedule moves more of %s than its "
    "learning rate, such as OneCycleLR its momentum. A schedule of the rate alone, @WarmupCosine "
    "or OneCycleLR.cycle_momentum = False, has all of it captured, but trains otherwise."
)

Recording = tuple[Batch, Callable[[], None], tuple[str, ...], Tensor, list[Tensor | None]]


class CapturedStep:
    """A TrainingStep that is recorded after a few steps, and replayed from then on.

    What comes before is done on the recorder's stream as ordinary steps of the run. Forward and
    backward are recorded; clipping and optimiser, too, unless a scaler decides whether there is a
    step or the optimiser is not one of DeviceRates. Batches of another size, as at an epoch's end,
    and those of which the objective says so, are ordinary steps. A step that cannot be recorded
    stays ordinary: `refused` is called once with the reason. All ways have the same arithmetic, so
    that a resumed run need not care.
    """

    def __init__(
        self,
        step: TrainingStep,
        recorder: Recorder,
        device: torch.device,
        scaled: bool,
        refused: Callable[[str], None],
    ) -> None:
        self._step, self._recorder, self._device = step, recorder, device
        self._refused = refused
        self._rates = None if scaled else device_rates(step.optimizer)
        self._whole = self._rates is not None
        self._warmed = 0
        self._reasons: list[str] = []
        self._places: dict[str, tuple[int, int]] = {}
        self._shape: Any = None
        self._largest = 0  # images in a batch of that shape
        self._recording: Recording | None = None
        self._ahead: Ahead | None = None
        self._following: Batch | None = None
        self._constants: Any = None

    def __call__(self, batch: Batch, step: int, total_steps: int) -> dict[str, Tensor]:
        """As TrainingStep; the logs are the caller's to keep."""
        self._step.before(step, total_steps)
        if self._rates is not None:
            self._rates.load()
        if self._step.is_apart():
            return self._beside(batch)
        if not self._reasons and self._recording is None and len(batch) > self._largest:
            # a run that goes on may begin with the short last batch of an epoch
            self._shape, self._largest, self._warmed = shape_of(batch), len(batch), 0
        if self._reasons or shape_of(batch) != self._shape:
            logs = self._ordinary(batch)
        elif self._warmed < _WARM:
            logs = self._warm_up(batch)
        else:
            logs = self._replayed(batch)
        self._step.after()
        return logs

    def foreseen(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches, each looked at before the one before it is trained on."""

        def told(following: Batch | None) -> None:
            self._following = following

        return foreseen(batches, told)

    def close(self) -> None:
        """Give back the memory of the recording, and what else is held."""
        self._recording = self._ahead = self._following = None
        self._step.close()

    def _beside(self, batch: Batch) -> dict[str, Tensor]:
        """A step that the objective wants to have done apart, on the stream of the others."""
        with self._recorder.apart():
            logs = self._ordinary(batch)
        self._step.after()
        return logs

    def _ordinary(self, batch: Batch) -> dict[str, Tensor]:
        logs = self._step.gradients(batch)
        self._move()
        return logs

    def _move(self, recorded: bool = False) -> None:
        with contextlib.nullcontext() if self._rates is None else self._rates.used(recorded):
            self._step.move()

    def _warm_up(self, batch: Batch) -> dict[str, Tensor]:
        self._warmed += 1
        before, self._places = self._places, places(self._step.objective)
        if self._warmed > 2 and (reason := displaced(before, self._places)):
            self._reasons.append(reason)  # by the optimiser, or by what is done after a step
        with self._recorder.apart():
            if self._warmed == 1:  # which builds what is kept for the others
                return self._ordinary(batch)
            with watched(self._step.objective, self._device, self._reasons):
                logs = self._step.gradients(batch)
            self._move()
        if self._reasons:
            self._refused(self._reasons[0])
        return logs

    def _replayed(self, batch: Batch) -> dict[str, Tensor]:
        if self._whole and self._rates is not None:
            constants = self._rates.constants()
            if self._recording is not None and constants != self._constants:
                self._whole, self._recording = False, None
                logger.info(_MOVED, type(self._step.optimizer).__name__)
            elif self._recording is not None and not self._rates.is_as_recorded():
                self._recording = None  # recorded anew, as parameters paused in between
            self._constants = constants
        if self._recording is None and not self._record(batch):
            return self._ordinary(batch)
        assert self._recording is not None
        static, replay, names, values, gradients = self._recording
        load(static, batch)
        if self._ahead is not None:
            self._ahead.load(batch, self._following)
        replay()
        if not self._whole:
            for parameter, gradient in zip(self._parameters(), gradients, strict=True):
                parameter.grad = gradient
            self._move()
        return dict(zip(names, values.clone().unbind(), strict=True))

    def _record(self, batch: Batch) -> bool:
        """Whether it could be recorded, with the next batch's augmentation beside it or without."""
        static, kept = static_copy(batch), {} if self._rates is None else self._rates.kept()
        ahead = Ahead.of(self._step, self._recorder, self._device, static)
        for beside in [None] if ahead is None else [ahead, None]:
            try:
                self._recording = self._recorded(static, beside)
            except UserError:
                raise
            except RuntimeError as error:  # CUDA's own, of many kinds
                reason = " ".join(str(error).split())[:200]
                continue
            finally:
                self._step.optimizer.zero_grad(set_to_none=True)
                begun = self._rates is not None and self._rates.forget_begun(kept)
            if begun:
                self._recording = None
                return False  # an ordinary step begins it, and the next is recorded
            self._ahead = beside if beside is not None and beside.asked else None
            return True
        self._reasons.append(reason)
        self._refused(reason)
        return False

    def _recorded(self, static: Batch, ahead: Ahead | None) -> Recording:
        names: list[str] = []

        def work() -> tuple[Tensor, list[Tensor | None]]:
            names.clear()
            with contextlib.nullcontext() if ahead is None else ahead.recorded():
                logs = self._step.gradients(static)
            names.extend(logs)
            values = torch.stack([value.float() for value in logs.values()])
            gradients = [parameter.grad for parameter in self._parameters()]
            if self._whole:
                self._move(recorded=True)
                return values, []
            return values, gradients

        replay, (values, gradients) = self._recorder.record(work)
        return static, replay, tuple(names), values, gradients

    def _parameters(self) -> list[torch.nn.Parameter]:
        return [p for group in self._step.optimizer.param_groups for p in group["params"]]
