"""A stored head built again: only what is registered as one, from its own plain values."""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from fewshot.errors import UserError
from fewshot.models.building import configurable, matches

Head = Callable[[Tensor, Tensor, Tensor, int], Tensor]


def rebuilt_head(described: Mapping[str, Any], place: str) -> Head:
    """The head of {"name", "arguments"}, as heads/described.py gives them.

    Raises UserError when the name is not registered, or as another kind of thing, and for arguments
    that it does not take.
    """
    name, arguments = described["name"], described["arguments"]
    try:
        made = configurable(name, "fewshot.heads")
    except (ValueError, KeyError, LookupError) as error:
        raise UserError(
            f"'{place}' classifies by the head {name}, which is not registered: import the module "
            "that registers it."
        ) from error
    if not (
        inspect.isclass(made)
        and dataclasses.is_dataclass(made)
        and hasattr(made, "transductive")
        and len(inspect.signature(made.__call__).parameters) == 5
    ):
        raise UserError(
            f"'{place}' names {name} as its head, and that is none: the file is damaged or not to "
            "be trusted."
        )
    declared = typing.get_type_hints(made)
    fields = {field.name for field in dataclasses.fields(made)}
    wrong = [
        key
        for key, value in arguments.items()
        if key not in fields or not matches(declared[key], value)
    ]
    if wrong:
        raise UserError(
            f"'{place}' has {wrong[0]} = {repr(arguments[wrong[0]])[:60]} for its head {name}, "
            "which takes no such value: the file is damaged, or of another version of the program."
        )
    return typing.cast(Head, made(**arguments))
