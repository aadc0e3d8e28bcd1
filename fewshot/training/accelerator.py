"""Devices and precision: lightning-fabric set up from three words, refused in the user's terms."""

from typing import Literal, cast, get_args

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException

from fewshot.errors import UserError

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]


def launch_fabric(accelerator: str, devices: int | str, precision: str) -> Fabric:
    """Fabric on the devices, its other processes started where there is more than one.

    Raises UserError when the machine has no such device or it cannot compute in the precision.
    """
    if precision not in get_args(Precision):
        known = ", ".join(map(repr, get_args(Precision)))
        raise UserError(f"Trainer.precision is {precision!r}: bind one of {known}.")
    if accelerator in ("cuda", "gpu") and not (
        torch.cuda.is_available() or (accelerator == "gpu" and torch.backends.mps.is_available())
    ):
        raise UserError(
            f"Trainer.accelerator is {accelerator!r}, but torch sees no GPU here: bind 'auto' or "
            "'cpu'."
        )
    if precision == "16-mixed" and _fabric(accelerator, devices, "32-true").device.type == "cpu":
        raise UserError(
            "Trainer.precision is '16-mixed', which needs a GPU: on a CPU bind '32-true' or "
            "'bf16-mixed'."
        )
    fabric = _fabric(accelerator, devices, cast(Precision, precision))
    if fabric.world_size > 1:
        fabric.launch()
    return fabric


def _fabric(accelerator: str, devices: int | str, precision: Precision) -> Fabric:
    try:
        return Fabric(accelerator=accelerator, devices=devices, precision=precision)
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise UserError(
            f"Trainer.accelerator = {accelerator!r} with Trainer.devices = {devices!r} cannot be "
            f"had here: {str(error).splitlines()[0]}"
        ) from error
