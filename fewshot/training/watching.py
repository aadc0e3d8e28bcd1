"""What a training step does that a recording of it could not repeat."""

import itertools
import random
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

_READS_BACK = {
    "_local_scalar_dense": "it reads a number back (.item())",
    "is_nonzero": "it decides by a tensor's value",
    "equal": "it decides by a tensor's value",
    "nonzero": "its shapes depend on values (nonzero)",
    "masked_select": "its shapes depend on values (a mask)",
    "_unique2": "its shapes depend on values (unique)",
    "unique_dim": "its shapes depend on values (unique)",
    "unique_consecutive": "its shapes depend on values (unique)",
    "bincount": "its shapes depend on values (bincount)",
}
_MASKS = ("index", "index_put_", "_index_put_impl_", "index_put")
# of the warnings about it: the first in a process only says that they may come
_WAITED = "called a synchronizing CUDA operation"
_LOOKED_AT = 256  # items of a collection
_OWN = ("_parameters", "_buffers", "_modules", "training")


class Watch(TorchDispatchMode):
    """Lets operations through and notes the first that waits for values; reason: '' for none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.reason = ""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.reason = self.reason or _reason(func, args)
        result = func(*args, **(kwargs or {}))
        if not self.reason and _crosses(func, args, result):
            self.reason = "it moves values between host and device"
        return result


def _reason(func: Any, args: tuple[Any, ...]) -> str:
    name = func.overloadpacket.__name__
    if name == "repeat_interleave" and func._overloadname != "self_int":
        return "its shapes depend on values (repeat_interleave)"
    if name in _MASKS and any(
        isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1]
    ):
        return "its shapes depend on values (a mask as index)"
    return _READS_BACK.get(name, "")


def _crosses(func: Any, args: tuple[Any, ...], result: Any) -> bool:
    """Whether a copy led from one kind of device to another."""
    if func.overloadpacket.__name__ not in ("_to_copy", "copy_"):
        return False
    sides = [value for value in (*args[:2], result) if isinstance(value, Tensor)]
    return len({value.device.type for value in sides}) > 1


@contextmanager
def watched(module: nn.Module, device: torch.device, found: list[str]) -> Iterator[None]:
    """Adds to `found` why what is done inside cannot be recorded; nothing where it can.

    Besides operations that wait for values: draws from Python's, numpy's and, on a GPU, the
    processor's generators, and attributes of the module that change.
    """
    generators, attributes, before = _generators(device), _attributes(module), places(module)
    watch = Watch()
    with _told_of_waiting(device) as waited, watch:
        yield
    reasons = [watch.reason, *(["it waits for the device"] if waited() else [])]
    if _generators(device) != generators:
        reasons.append("it draws random numbers outside of the device")
    changed = [name for name, value in _attributes(module).items() if attributes.get(name) != value]
    if changed:
        reasons.append(f"it changes an attribute ({changed[0]})")
    reasons.append(displaced(before, places(module)))
    found += [reason for reason in reasons if reason]


def places(module: nn.Module) -> dict[str, tuple[int, int]]:
    """Which tensors a module's parameters and buffers are, and where in memory they lie."""
    named = itertools.chain(module.named_parameters(), module.named_buffers())
    return {name: (id(tensor), tensor.data_ptr()) for name, tensor in named}


def displaced(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Why a recording, which reads and writes what was there, would go on with the old; or ''.

    Such as `self.centre = 0.9 * self.centre + ...` of a buffer, or `weight.data = ...`.
    """
    moved = [name for name, place in after.items() if before.get(name) != place]
    return f"it puts another tensor in the place of {moved[0]}: write into that" if moved else ""


def _generators(device: torch.device) -> tuple[Any, ...]:
    """The states of the generators that no recording draws from."""
    numbers = np.random.get_state(legacy=False)
    place = (numbers["state"]["key"].tobytes(), numbers["state"]["pos"], numbers["has_gauss"])
    state: tuple[Any, ...] = (random.getstate(), place)
    if device.type != "cpu":
        state = (*state, torch.default_generator.get_state().numpy().tobytes())
    return state


def _attributes(module: nn.Module) -> dict[str, Any]:
    """What the parts of a module keep beside parameters and buffers: values, sizes, identities."""
    found = {}
    for name, part in module.named_modules():
        for key, value in vars(part).items():
            if key in _OWN or key.endswith("_hooks"):
                continue
            found[f"{name}.{key}".lstrip(".")] = _shown(value)
    return found


def _shown(value: Any) -> Any:
    """What is compared: plain values, what is in a collection, such as a queue, identities."""
    if isinstance(value, dict):
        return len(value), [_plain(item) for item in islice(value.values(), _LOOKED_AT)]
    if isinstance(value, list | tuple | set | frozenset | deque):
        return len(value), [_plain(item) for item in islice(value, _LOOKED_AT)]
    return _plain(value)


def _plain(value: Any) -> Any:
    known = value is None or isinstance(value, bool | int | float | str)
    return value if known else id(value)


@contextmanager
def _told_of_waiting(device: torch.device) -> Iterator[Callable[[], bool]]:
    """Whether the host had to wait for a GPU, as torch tells by a warning."""
    if device.type != "cuda":
        yield lambda: False
        return
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield lambda: any(_WAITED in str(warning.message) for warning in told)
        finally:
            torch.cuda.set_sync_debug_mode(before)
