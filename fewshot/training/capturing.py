"""Whether a run's training step is captured, and what is when it cannot be."""

import logging
from collections.abc import Callable

from torch import nn

from fewshot.errors import UserError
from fewshot.objectives.objective import Objective
from fewshot.training.capture import CapturedStep
from fewshot.training.captured_augmentation import CapturedAugmentation
from fewshot.training.hardware import Hardware
from fewshot.training.recording import Recorder, recorder_for
from fewshot.training.step import TrainingStep

logger = logging.getLogger("fewshot")


def captured_where_safe(
    step: TrainingStep, hardware: Hardware, wanted: bool | None
) -> TrainingStep | CapturedStep:
    """The step, captured where the hardware and the objective allow it.

    wanted: Trainer.captured; None captures what can be, False nothing. Raises UserError where it is
    True and cannot be.
    """
    if wanted is False:
        return step
    objective, recorder = step.objective, recorder_for(hardware.device)
    if recorder is None:
        if wanted:
            raise UserError(
                f"Trainer.captured is True, but the device is '{hardware.device.type}', and only "
                "CUDA captures: bind None, which captures where it can, or False."
            )
        return step
    reason = _hindrance(objective, hardware)
    augmenting = callable(getattr(objective, "augment", None))

    def refuse(reason: str) -> None:
        _refuse(objective, reason, wanted, augmenting)
        if augmenting:
            step.when_closed(_capture_augmentation(objective, recorder, hardware))

    if reason:
        refuse(reason)
        return step
    scaled = hardware.precision == "16-mixed"
    return CapturedStep(step, recorder, hardware.device, scaled, refuse)


def _hindrance(objective: nn.Module, hardware: Hardware) -> str:
    """Why no step of this run can be captured; '' where nothing is known yet."""
    if hardware.fabric.world_size > 1:
        return "several processes share each step"
    if hardware.compiled:
        return "Hardware.compiled is True"
    if not _before_step_is_recordable(type(objective)):
        return "its before_step may change what a step does"
    return ""


def _before_step_is_recordable(kind: type) -> bool:
    """Whether it does nothing, or its own class, or one derived of that, says so of it."""
    for part in kind.__mro__:
        told = vars(part).get("recordable_before_step")
        if told is not None or part is Objective:
            return bool(told) or part is Objective
        if "before_step" in vars(part):
            return False
    return True


def _refuse(objective: nn.Module, reason: str, wanted: bool | None, augmenting: bool) -> None:
    name = type(objective).__name__
    if wanted:
        raise UserError(
            f"Trainer.captured is True, but the training step of {name} cannot be captured: "
            f"{reason}. Bind None, which captures what it can, or False."
        )
    rest = "; its augmentation is" if augmenting else ""
    logger.info("the training step of %s is not captured: %s%s", name, reason, rest)


def _capture_augmentation(
    objective: nn.Module, recorder: Recorder, hardware: Hardware
) -> Callable[[], None]:
    """Call the result to have the objective, and the device's memory, as before."""
    before = vars(objective).get("augment")
    captured = CapturedAugmentation(objective, recorder, hardware.device)
    # found before the class's own; modules do not mind
    object.__setattr__(objective, "augment", captured)

    def release() -> None:
        captured.close()
        if before is None:
            object.__delattr__(objective, "augment")
        else:
            object.__setattr__(objective, "augment", before)

    return release
