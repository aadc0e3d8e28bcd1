"""Lightning Fabric, and torch's optimisers, without the compiler that they ask though none is used.

Fabric imports torchmetrics, and that torchvision, to see whether they are there, and torch's
compiler to tell what it has compiled; an optimiser imports the compiler to ask it not to look into
a step. Together that is twice what torch itself takes to import, in every process. Neither has a
switch: `lightning_fabric.wrappers`, which every way to Fabric leads through, imports the compiler
at its top, and `torch.optim.Optimizer` at the first step.
"""

import contextlib
import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.optim import Optimizer

_COMPILER = "torch._dynamo"


class _Compiled(type(nn.Module)):  # type: ignore[misc]
    """`isinstance` as of the compiler's own class, once that has been imported."""

    def __instancecheck__(cls, instance: Any) -> bool:
        compiler = sys.modules.get(_COMPILER)
        return compiler not in (None, _IDLE) and isinstance(instance, compiler.OptimizedModule)


class OptimizedModule(nn.Module, metaclass=_Compiled):
    """What Fabric takes for a compiled module."""


def _idle() -> types.ModuleType:
    """The compiler as long as nothing is compiled: there is no graph to break, nothing to leave."""
    module = types.ModuleType(_COMPILER)
    answers: dict[str, Any] = {
        "OptimizedModule": OptimizedModule,
        "graph_break": lambda *_, **__: None,
        "disable": lambda function, *_, **__: function,
    }
    vars(module).update(answers)
    return module


_IDLE = _idle()


@contextlib.contextmanager
def _standing_in(name: str, module: types.ModuleType | None) -> Iterator[None]:
    """The module under this name, None for "not installed", where the real one is not imported."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = module  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


@contextlib.contextmanager
def compiler_idle(optimizer: Optimizer) -> Iterator[None]:
    """Inside, a step of one of torch's own optimisers imports no compiler that nobody uses yet."""
    own = type(optimizer).__module__.startswith("torch.optim.")
    with _standing_in(_COMPILER, _IDLE) if own else contextlib.nullcontext():
        yield


for _method in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
    # where torch keeps the method that the compiler leaves alone: no compiled part has them in it
    _function = inspect.unwrap(getattr(Optimizer, _method))
    vars(_function).setdefault("__dynamo_disable", _function)

with _standing_in(_COMPILER, _IDLE), _standing_in("torchmetrics", None):
    from lightning_fabric import Fabric as Fabric
    from lightning_fabric.utilities.exceptions import (
        MisconfigurationException as MisconfigurationException,
    )
