"""The running mean of an objective's weights, by which it may be evaluated and saved."""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from fewshot.errors import UserError
from fewshot.training.fit import Figures, Fit


class WeightAverage:
    """Exponential moving average of weights and statistics (https://arxiv.org/abs/1703.01780).

    After the n-th step it keeps min(decay, (1 + n) / (10 + n)) of itself, so that the first steps,
    far from where training ends, are soon forgotten. decay: None averages nothing. Whole numbers,
    such as counts of batches, are not averaged. Raises UserError for a decay outside [0, 1).
    """

    def __init__(self, objective: nn.Module, decay: float | None) -> None:
        if decay is not None and not 0 <= decay < 1:
            raise UserError(
                f"Trainer.ema_decay is {decay}: bind a number from 0 to below 1, such as 0.999, or "
                "None."
            )
        self.decay = decay
        self.updates = 0
        self._weights: dict[str, Tensor] = {}
        if decay is not None:
            state = objective.state_dict()
            self._weights = {
                name: value
                for name, value in state.items()
                if isinstance(value, Tensor) and value.is_floating_point()  # not an extra state
            }
        self._mean = {name: weight.detach().clone() for name, weight in self._weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are after a step."""
        if self.decay is None:
            return
        self.updates += 1
        kept = min(self.decay, (1 + self.updates) / (10 + self.updates))
        move = get_ema_multi_avg_fn(kept)
        move(list(self._mean.values()), list(self._weights.values()), self.updates)

    def judged(self, fit: Fit) -> Fit:
        """The same run, validated and saved by the mean of the weights where there is one."""
        validate, save_model = fit.validate, fit.save_model
        if self.decay is None:
            return fit

        def save(path: Path) -> None:
            with self.applied():
                save_model(path)

        def figures() -> Figures:
            with self.applied():
                return {} if validate is None else validate()

        found = None if validate is None else figures
        return dataclasses.replace(fit, validate=found, save_model=save)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The objective has the mean of its weights inside, and its own again after."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, weight in self._weights.items():
            own = weight.clone()
            weight.copy_(self._mean[name])
            self._mean[name].copy_(own)

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return {"updates": self.updates, "mean": dict(self._mean)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from saved values."""
        for name, mean in self._mean.items():
            mean.copy_(state["mean"][name])
        self.updates = int(state["updates"])
