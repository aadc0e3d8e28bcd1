"""The means of an epoch's loss and logs, as far as it has come."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from fewshot.training.fabric import Fabric


class Averages:
    """Means of the loss and the logs over an epoch's images, kept on the device.

    Nothing is read back before `means`, so that a step does not wait for the device.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._weight = 0

    def add(self, figures: Mapping[str, Tensor], weight: int) -> None:
        """Detached scalars of one batch of `weight` images."""
        self._weight += weight
        if not figures:
            return
        # all in two operations, which on a GPU are two launches a step
        weighted = torch._foreach_mul([value.float() for value in figures.values()], weight)
        known = [
            self._sums[name] if name in self._sums else torch.zeros_like(new)
            for name, new in zip(figures, weighted, strict=True)
        ]
        self._sums |= zip(figures, torch._foreach_add(known, weighted), strict=True)

    def means(self) -> dict[str, float]:
        """The means so far; waits for the device."""
        if not self._sums:
            return {}
        values: list[float] = torch.stack(list(self._sums.values())).tolist()
        return {name: value / self._weight for name, value in zip(self._sums, values, strict=True)}

    def mean(self, name: str) -> float:
        """One of them; waits for the device."""
        return float(self._sums[name]) / self._weight

    def collect(self, fabric: Fabric) -> None:
        """Give the main process the sums of all, and leave the others with none; waits for them."""
        if fabric.world_size == 1 or not self._sums:
            return
        values = torch.stack(
            [*self._sums.values(), torch.tensor(float(self._weight)).to(fabric.device)]
        )
        *sums, weight = (
            cast(Tensor, fabric.all_reduce(values.double(), reduce_op="sum")).float().unbind()
        )
        ours = float(fabric.is_global_zero)
        self._sums = {name: value * ours for name, value in zip(self._sums, sums, strict=True)}
        self._weight = round(float(weight) * ours)

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return {"sums": dict(self._sums), "weight": self._weight}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Go on from saved values."""
        if any(value.shape != () for value in state["sums"].values()) or state["weight"] < 0:
            raise ValueError("its averages are no sums over images")
        self._sums = {name: value.to(device).float() for name, value in state["sums"].items()}
        self._weight = int(state["weight"])
