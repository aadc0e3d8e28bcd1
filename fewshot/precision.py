"""Products in full precision, for what decides by them: distances, cosines, coordinates."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

_changing = threading.Lock()  # the setting is the whole process's, and heads score in threads
_inside = 0
_before = "highest"


@contextmanager
def full_precision(features: Tensor) -> Iterator[None]:
    """Autocast and TF32 switched off, so that products keep the precision of the features.

    TF32 has 10 bits of mantissa: distances of near unit vectors would be off by 0.03, which chooses
    other neighbours and other negatives.
    """
    with torch.autocast(features.device.type, enabled=False):
        _ask(1)
        try:
            yield
        finally:
            _ask(-1)


def _ask(more: int) -> None:
    global _inside, _before
    with _changing:
        if _inside == 0:
            _before = torch.get_float32_matmul_precision()
        _inside += more
        if _before != "highest" and _inside == (1 if more > 0 else 0):
            torch.set_float32_matmul_precision("highest" if more > 0 else _before)
