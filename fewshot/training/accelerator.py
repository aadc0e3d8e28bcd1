"""Devices and precision: lightning-fabric set up from three words, refused in the user's terms."""

import atexit
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any, Literal, cast, get_args

import torch
from torch import nn

from fewshot.errors import UserError
from fewshot.training.fabric import Fabric, MisconfigurationException
from fewshot.training.launched import launch_of, meet

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]
AUTO = "auto"
_HALVES = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


def launch_fabric(accelerator: str, devices: int | str, precision: str) -> Fabric:
    """Fabric on the devices, its other processes started where there is more than one.

    'auto' is a GPU of CUDA, else the CPU; 'auto' precision is bf16-mixed where the hardware
    multiplies bfloat16 matrices, else 32-true. On a GPU, float32 matrices are multiplied as TF32
    while training. Where torchrun has started this process, devices is what it was told. Raises
    UserError when the machine has no such device or it cannot compute in the precision, and when
    the other processes cannot be met.
    """
    launch = launch_of(os.environ)
    if launch is not None:
        devices = launch.devices
    if precision != AUTO:
        _check_precision("precision", precision, (AUTO, *get_args(Precision)))
    accelerator = _available(accelerator)
    if precision == AUTO:
        precision = "bf16-mixed" if _multiplies_bfloat16(accelerator) else "32-true"
    if accelerator in ("cuda", "gpu"):
        torch.set_float32_matmul_precision("high")
    if precision == "16-mixed" and accelerator == "cpu":
        raise UserError(
            "Hardware.precision is '16-mixed', which needs a GPU: on a CPU bind '32-true' or "
            "'bf16-mixed'."
        )
    nodes = 1 if launch is None else launch.nodes
    if launch is not None:
        meet("cuda" if accelerator in ("cuda", "gpu") else accelerator)
    fabric = _fabric(accelerator, devices, cast(Precision, precision), nodes)
    if fabric.world_size > 1:
        fabric.launch()
        launcher = getattr(fabric.strategy, "launcher", None)
        atexit.register(stop_peers, getattr(launcher, "procs", []))
    return fabric


def _available(accelerator: str) -> str:
    """The accelerator that the word stands for here."""
    if accelerator == AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    apple = torch.backends.mps.is_available() and not torch.cuda.is_available()
    if accelerator == "mps" or (accelerator == "gpu" and apple):
        raise UserError(
            f"Hardware.accelerator is {accelerator!r}, but Apple's GPU has no float64, which "
            "nearest neighbours, retrieval and logistic regression need: bind 'auto' or 'cpu'."
        )
    if accelerator in ("cuda", "gpu") and not torch.cuda.is_available():
        raise UserError(
            f"Hardware.accelerator is {accelerator!r}, but torch sees no GPU here: bind 'auto' or "
            "'cpu'."
        )
    return accelerator


def _fabric(accelerator: str, devices: int | str, precision: Precision, nodes: int = 1) -> Fabric:
    words: dict[str, Any] = {"accelerator": accelerator, "devices": devices}
    try:
        return Fabric(**words, precision=precision, num_nodes=nodes)
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise UserError(
            f"Hardware.accelerator = {accelerator!r} with Hardware.devices = {devices!r} cannot be "
            f"had here: {str(error).splitlines()[0]}"
        ) from error


def _check_precision(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UserError(f"Hardware.{name} is {value!r}: bind one of {', '.join(map(repr, known))}.")


def _multiplies_bfloat16(accelerator: str) -> bool:
    """Whether bfloat16 is fast here: on GPUs since Ampere and on CPUs with AMX tiles."""
    if accelerator != "cpu" and torch.cuda.is_available():
        return torch.cuda.get_device_capability() >= (8, 0)
    return bool(torch.cpu._is_amx_tile_supported())


def stop_peers(processes: list["subprocess.Popen[bytes]"], patience: float = 3.0) -> None:
    """Let the processes that this one started end, or end them: none is left behind."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # fabric's own watch would send it here
    for process in processes:
        for end in (None, process.terminate, process.kill):
            if end is not None:
                end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
                break


def check_evaluation_precision(precision: str) -> None:
    """Raise UserError where it is none of those there are."""
    _check_precision("evaluation_precision", precision, get_args(Precision))


@contextlib.contextmanager
def computing_in(precision: str, device: torch.device) -> Iterator[None]:
    """The precision of matrix products and convolutions; '32-true' is float32 in every bit."""
    before, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    if precision not in _HALVES:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.autocast(device.type, _HALVES.get(precision), enabled=precision in _HALVES):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
        torch.backends.cudnn.allow_tf32 = convolutions


@contextlib.contextmanager
def evaluating(objective: nn.Module, device: torch.device) -> Iterator[None]:
    """The objective on the device, in evaluation mode, without gradients."""
    training = objective.training
    objective.to(device).eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        objective.train(training)
