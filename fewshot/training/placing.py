"""An objective made ready for its devices; what several processes would make another method."""

import logging

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fewshot.errors import UserError
from fewshot.training.fabric import Fabric
from fewshot.training.shared_norms import share_norms

logger = logging.getLogger("fewshot")


def placed(objective: nn.Module, fabric: Fabric, sync_batchnorm: bool) -> None:
    """Put the objective on the device, in the memory order that convolutions are fast in.

    Raises UserError where it would learn something else on several devices than on one.
    """
    if fabric.world_size > 1:
        _refuse_comparison(objective, fabric.world_size)
        _settle_norms(objective, fabric.world_size, fabric.device, sync_batchnorm)
    objective.to(fabric.device)
    # convolutions are faster with the channels last, on a CPU and on tensor cores
    objective.to(memory_format=torch.channels_last)


def _refuse_comparison(objective: nn.Module, ranks: int) -> None:
    if getattr(objective, "compares_within_batch", False):
        raise UserError(
            f"there are {ranks} processes, but {type(objective).__name__} compares the images of "
            "a batch with each other and gathers none (Batch.gather), so that each process would "
            "see its own share alone, which is another method: start one process."
        )


def _settle_norms(
    objective: nn.Module, ranks: int, device: torch.device, sync_batchnorm: bool
) -> None:
    norms = [module for module in objective.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    if not sync_batchnorm:
        logger.info(
            "batch statistics (%d BatchNorm layers) are taken by each of %d processes over its own "
            "images, unlike in one process: Hardware.sync_batchnorm = True takes them over all",
            len(norms),
            ranks,
        )
        return
    share_norms(objective, device)
