"""A data set kept whole on a GPU, where it fits."""

import logging
import math

import numpy as np
import torch
from torch import Tensor

from fewshot.errors import UserError
from fewshot.interfaces import Dataset
from fewshot.progress import ProgressBar

logger = logging.getLogger("fewshot")

_SHARE = 0.25  # of the free memory that images may take: training needs the rest
_AT_A_TIME = 64_000_000  # bytes


def is_to_reside(dataset: Dataset, device: torch.device, wanted: bool | None) -> bool:
    """Whether the images are kept on the device; wanted: Hardware.resident, None where they fit.

    Raises UserError where they are wanted there and do not fit.
    """
    if device.type != "cuda" or wanted is False:
        return False  # a processor reads the pack, which is mapped into its memory
    free, _ = torch.cuda.mem_get_info(device)
    nbytes = len(dataset) * math.prod((dataset.channels, *dataset.image_size))
    if wanted and nbytes > free:
        raise UserError(
            f"Hardware.resident is True, but the training images take {nbytes / 1e9:.1f} GB and "
            f"{free / 1e9:.1f} GB of the GPU's memory are free: bind None or False."
        )
    return bool(wanted) or nbytes <= _SHARE * free


def resident_images(dataset: Dataset, device: torch.device) -> Tensor:
    """Every image of the data set, uint8 [rows, C, H, W], on the device."""
    shape = (len(dataset), dataset.channels, *dataset.image_size)
    images = torch.empty(shape, dtype=torch.uint8, device=device)
    step = max(1, _AT_A_TIME // math.prod(shape[1:]))
    with ProgressBar("moving images to the device", len(dataset)) as bar:
        for start in range(0, len(dataset), step):
            rows = np.arange(start, min(start + step, len(dataset)))
            images[start : start + len(rows)] = dataset.images(rows).to(device)
            bar.update(len(rows))
    return images
