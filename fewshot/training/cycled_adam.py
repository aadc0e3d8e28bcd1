"""Adam's step under a schedule that moves its first beta, too, as OneCycleLR does.

torch's fused kernel takes the betas as plain numbers, which a recorded step would hold fast, and
its other ways read tensors back. Here rate and beta lie on the device; the state is torch's own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer


class CycledAdam:
    """Steps an Adam or AdamW by the rate and the first beta of each group as last loaded."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._loaded: list[tuple[float, float]] = []
        first = optimizer.param_groups[0]["params"][0]
        shape = (len(optimizer.param_groups), 2)
        self._numbers = torch.zeros(shape, dtype=torch.float64, device=first.device)
        self._compared: list[Tensor] = []  # the counters of those that moved last
        self._alike = True  # whether they have moved equally often
        self._records = False  # whether the next step is being recorded
        self._recorded: list[Tensor] = []  # the counters that a recorded step moves
        self._held = True  # what it holds fast: whether these were alike

    @staticmethod
    def serves(optimizer: Optimizer) -> bool:
        """Whether a schedule moves this optimiser's first beta, and it is one that can step so."""
        groups = optimizer.param_groups
        return (
            type(optimizer) in (Adam, AdamW)
            and any("max_momentum" in group for group in groups)  # where OneCycleLR notes it
            and not any(group["amsgrad"] for group in groups)
        )

    def load(self) -> None:
        """Take rates and betas as they are now."""
        groups = self._optimizer.param_groups
        now = [(float(group["lr"]), float(group["betas"][0])) for group in groups]
        if now != self._loaded:
            numbers = torch.tensor(now, dtype=torch.float64)
            self._numbers.copy_(numbers, non_blocking=True)
            self._loaded = now

    @contextmanager
    def stepping(self, recorded: bool = False) -> Iterator[None]:
        """Inside, the optimiser's own `step` is the one here; recorded: to be repeated as it is."""
        before = vars(self._optimizer).get("step")
        self._optimizer.step = self.step  # type: ignore[method-assign, assignment]
        self._records = recorded
        try:
            yield
        finally:
            self._records = False
            del self._optimizer.step
            if before is not None:
                self._optimizer.step = before  # type: ignore[method-assign]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """As the optimiser's own, but that no closure is taken."""
        assert closure is None
        self._optimizer._opt_called = True  # type: ignore[attr-defined]  # which schedules ask
        moved: list[list[Tensor]] = [
            [parameter for parameter in group["params"] if parameter.grad is not None]
            for group in self._optimizer.param_groups
        ]
        states = [[self._state(parameter) for parameter in part] for part in moved]
        counters = [state["step"] for part in states for state in part]
        (self._hold if self._records else self._compare)(counters)
        for number, group in enumerate(self._optimizer.param_groups):
            if moved[number]:
                self._move(group, moved[number], states[number], self._numbers[number])

    def _state(self, parameter: Tensor) -> dict[str, Tensor]:
        """As torch begins it."""
        state: dict[str, Tensor] = self._optimizer.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
            state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        return state

    def is_as_recorded(self) -> bool:
        """Whether those that the recorded step moves are still alike, or not, as it has them.

        Others may have moved, or some of them paused, in steps between its repetitions.
        """
        self._compare(self._recorded)
        return self._alike == self._held

    def _hold(self, counters: list[Tensor]) -> None:
        """For a step that is recorded, in which nothing can be waited for."""
        if not _same(counters, self._compared):
            self._compared, self._alike = [], False  # which is right in any case
        self._recorded, self._held = counters, self._alike

    def _compare(self, counters: list[Tensor]) -> None:
        """Whenever others move than at the last step, for that waits for the device."""
        if not _same(counters, self._compared):
            self._alike = not counters or len(torch.stack(counters).unique()) == 1
        self._compared = counters

    def _move(
        self,
        group: dict[str, Any],
        parameters: list[Tensor],
        states: list[dict[str, Tensor]],
        numbers: Tensor,
    ) -> None:
        rate, beta = numbers.unbind()
        means, squares = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq"))
        counters, second = [state["step"] for state in states], group["betas"][1]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        torch._foreach_add_(counters, 1)
        count = (counters[0] if self._alike else torch.stack(counters)).double()
        if group["weight_decay"] and group.get("decoupled_weight_decay"):
            torch._foreach_mul_(parameters, (1 - rate * group["weight_decay"]).float())
        elif group["weight_decay"]:
            decay = group["weight_decay"]
            gradients = list(torch._foreach_add(gradients, parameters, alpha=decay))
        torch._foreach_mul_(means, beta.float())
        torch._foreach_add_(means, torch._foreach_mul(gradients, (1 - beta).float()))
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        roots = list(torch._foreach_sqrt(squares))
        _scale(roots, (1 - second**count).rsqrt())
        torch._foreach_add_(roots, group["eps"])
        _scale(roots, (beta**count - 1) / rate)
        torch._foreach_addcdiv_(parameters, means, roots)


def _same(some: list[Tensor], others: list[Tensor]) -> bool:
    """Whether they are the same tensors, not only equal ones."""
    pairs = zip(some, others, strict=False)
    return some is others or (len(some) == len(others) and all(a is b for a, b in pairs))


def _scale(tensors: list[Tensor], factor: Tensor) -> None:
    """By one number, or by one each."""
    by = factor.float()
    if by.ndim == 0:
        torch._foreach_mul_(tensors, by)
    else:
        torch._foreach_mul_(tensors, list(by.unbind()))
