"""What a run computes on, and how exactly: devices, precision, compilation."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import gin
import torch
from torch import nn

from fewshot.training.accelerator import (
    check_evaluation_precision,
    computing_in,
    evaluating,
    launch_fabric,
)
from fewshot.training.agreement import others_may_be_lost


@gin.register
@dataclass(eq=False)
class Hardware:
    """Devices, and the precision that they compute in.

    accelerator: 'auto', 'cpu', 'cuda', ...; devices: how many; precision: of training, '32-true',
    '16-mixed', 'bf16-mixed' or 'auto' (bf16-mixed where the hardware is fast at it);
    evaluation_precision: of the chosen model's figures; sync_batchnorm: batch statistics over all
    devices; compiled: the encoder under torch.compile while training and validating, which takes a
    C++ compiler and some time for each new size of a batch; resident: the training images kept on
    the GPU, None where a quarter of its free memory holds them. Raises UserError for values that
    cannot be had here.
    """

    accelerator: str = "auto"
    devices: int | str = 1
    precision: str = "auto"
    evaluation_precision: str = "32-true"
    sync_batchnorm: bool = False
    compiled: bool = False
    resident: bool | None = None

    def __post_init__(self) -> None:
        check_evaluation_precision(self.evaluation_precision)
        self.fabric = launch_fabric(self.accelerator, self.devices, self.precision)
        self.device: torch.device = self.fabric.device
        self.precision = str(self.fabric.strategy.precision.precision)  # 'auto' resolved
        self.is_main_process = bool(self.fabric.is_global_zero)  # it alone writes files

    def facts(self) -> dict[str, str]:
        """What environment.json says of it: the precision of training, and of the figures."""
        return {"precision": self.precision, "evaluation_precision": self.evaluation_precision}

    @contextlib.contextmanager
    def inference(self, objective: nn.Module, final: bool = True) -> Iterator[None]:
        """The objective on the device, in evaluation mode, without gradients.

        final: in the precision of the chosen model's figures, else in that of training.
        """
        precision = self.evaluation_precision if final else self.precision
        lost = others_may_be_lost("Go on with --resume.")
        with lost, evaluating(objective, self.device), computing_in(precision, self.device):
            yield
