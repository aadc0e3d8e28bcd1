"""Devices and precision: lightning-fabric set up from three words, refused in the user's terms."""

from typing import Literal, cast, get_args

import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities.exceptions import MisconfigurationException

from fewshot.errors import UserError

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]
AUTO = "auto"


def launch_fabric(accelerator: str, devices: int | str, precision: str) -> Fabric:
    """Fabric on the devices, its other processes started where there is more than one.

    'auto' precision is bf16-mixed where the hardware multiplies bfloat16 matrices, else 32-true.
    Raises UserError when the machine has no such device or it cannot compute in the precision.
    """
    if precision not in (AUTO, *get_args(Precision)):
        known = ", ".join(map(repr, (AUTO, *get_args(Precision))))
        raise UserError(f"Trainer.precision is {precision!r}: bind one of {known}.")
    if accelerator in ("cuda", "gpu") and not (
        torch.cuda.is_available() or (accelerator == "gpu" and torch.backends.mps.is_available())
    ):
        raise UserError(
            f"Trainer.accelerator is {accelerator!r}, but torch sees no GPU here: bind 'auto' or "
            "'cpu'."
        )
    if precision == AUTO:
        precision = "bf16-mixed" if _multiplies_bfloat16(accelerator) else "32-true"
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


def _multiplies_bfloat16(accelerator: str) -> bool:
    """Whether bfloat16 is fast here: on GPUs since Ampere and on CPUs with AMX tiles."""
    if accelerator != "cpu" and torch.cuda.is_available():
        return torch.cuda.get_device_capability() >= (8, 0)
    return bool(torch.cpu._is_amx_tile_supported())
