"""Modules that remember how they were constructed, so that a stored one can be built again."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from torch import nn

from fewshot.errors import UserError


class Recorded(nn.Module):
    """Records the arguments of its construction, defaults and gin bindings included.

    name: the class's registered name. arguments: plain values by parameter name, without those of
    `initialisation`. initialisation: arguments that only choose initial weights, each with the
    value that means "none", which is what a module gets whose weights come from a file anyway.
    pretrained: whether any of these was another, so that the weights have been trained before.
    Raises UserError at construction for an argument that a file of plain values cannot hold.
    """

    initialisation: ClassVar[Mapping[str, Any]] = {}
    name: str
    arguments: dict[str, Any]
    pretrained: bool

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in cls.__dict__:
            cls.__init__ = _recording(cls.__init__)  # type: ignore[method-assign]


def _recording(construct: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(construct)

    @functools.wraps(construct)
    def recording(self: Recorded, *args: Any, **options: Any) -> None:
        construct(self, *args, **options)
        # a parent's constructor runs, and records, before its child's: the last one counts
        bound = signature.bind(self, *args, **options)
        bound.apply_defaults()
        values = dict(list(bound.arguments.items())[1:])
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                values |= values.pop(parameter.name)
        self.name = type(self).__name__
        self.arguments = {
            key: _plain(f"{self.name}.{key}", value)
            for key, value in values.items()
            if key not in self.initialisation
        }
        self.pretrained = any(values.get(k, v) != v for k, v in self.initialisation.items())

    # gin's check of parameters looks no further than the signature
    recording.__signature__ = signature  # type: ignore[attr-defined]
    return recording


def _plain(name: str, value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, (tuple, list)):
        return tuple(_plain(name, item) for item in value)  # [4, 3] bound is (4, 3)
    if isinstance(value, Mapping):
        return {_plain(name, k): _plain(name, v) for k, v in value.items()}
    raise UserError(
        f"{name} is {value!r}, which a saved model cannot hold: it must be a string, a number, a "
        "bool, None, or a tuple, list or dict of these."
    )
