"""Bound values against what parameters say they take: a word is no number, a factory no list."""

import collections.abc
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gin

from fewshot.binding import provenance
from fewshot.binding.kinds import check_kind
from fewshot.binding.provenance import MACRO, Key
from fewshot.binding.registry import annotation, short
from fewshot.errors import UserError

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text in quotes",
    Path: "a text in quotes",
    types.NoneType: "None",
}
_LISTS = (collections.abc.Sequence, list, tuple)
# What a parameter of this name takes wherever it occurs in this project: (least, most).
_RANGES = {
    "depth": (1, 1000),
    **dict.fromkeys(
        ("batch_size", "embedding_size", "hidden_size", "image_size", "k", "max_points",
         "n_episodes", "n_query", "n_shot", "n_way", "widths", "validate_every", "size"),
        (1, 10**7),
    ),
    **dict.fromkeys(("num_epochs", "patience", "keep_every", "min_per_class"), (0, 10**9)),
    "seed": (0, 2**63 - 1),
    **dict.fromkeys(("probability", "validation_fraction", "momentum"), (0, 1)),
    **dict.fromkeys(("brightness", "contrast", "saturation", "margin", "lr_factor"),
                    (-1e6, 1e6)),
    "temperature": (1e-6, 1e6),
}  # fmt: skip


def check_values() -> None:
    """Raise UserError, with its place, for the first bound value that its parameter cannot take.

    Macros stand for what they hold. Of third-party things only what is plain is known: whatever
    else they refuse is found when they are built and tried.
    """
    for (scope, full), values in list(gin.config._CONFIG.items()):
        for parameter, value in values.items() if full != MACRO else ():
            key: Key = (scope, full, parameter)
            try:
                check_value(full, parameter, resolved(value))
            except UserError as error:
                place = provenance.place(key)
                raise UserError(f"{place}: {error}" if place else str(error)) from None


def resolved(value: Any) -> Any:
    """The value with what its macros hold in their places."""
    if isinstance(value, gin.config.ConfigurableReference):
        if value.configurable.selector != MACRO:
            return value
        return resolved(gin.config._CONFIG.get(("/".join(value.scopes), MACRO), {}).get("value"))
    if isinstance(value, list | tuple):
        return type(value)(resolved(item) for item in value)
    if isinstance(value, dict):
        return {key: resolved(item) for key, item in value.items()}
    return value


def check_value(selector: str, parameter: str, value: Any) -> None:
    """Raise UserError for a value of another type, range or kind than the parameter declares."""
    declared = annotation(selector, parameter)
    if declared is None:
        return
    name = f"{short(selector)}.{parameter}"
    if not _fits(declared, value):
        raise UserError(f"{name} is {_shown(value)}: bind {' or '.join(_words(declared))}.")
    if selector.startswith("fewshot."):
        least, most = _RANGES.get(parameter, (-math.inf, math.inf))
        if not all(least <= number <= most for number in _numbers(value)):
            raise UserError(f"{name} is {_shown(value)}: it must be from {least} to {most}.")
        check_kind(name, parameter, value)


def _fits(declared: Any, value: Any) -> bool:
    """Whether a value (macros resolved) is of the declared type."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(one, value) for one in arguments)
    if origin is typing.Literal:
        return any(type(value) is type(one) and value == one for one in arguments)
    if origin is collections.abc.Callable or declared is collections.abc.Callable:
        return isinstance(value, gin.config.ConfigurableReference) and not value.evaluate
    if (origin or declared) in _LISTS:
        return isinstance(value, list | tuple) and _items_fit(origin, arguments, value)
    if origin is collections.abc.Mapping:
        pairs = value.items() if isinstance(value, Mapping) else ()
        return isinstance(value, Mapping) and all(
            _fits(arguments[0], key) and _fits(arguments[1], item) for key, item in pairs
        )
    if declared is float:
        return type(value) in (int, float) and not (isinstance(value, float) and math.isnan(value))
    if declared is Path:
        return isinstance(value, str)
    if declared in _WORDS:
        return type(value) is declared
    # a class of this project: nothing that a config can write down but what it makes of a factory
    plain = isinstance(value, int | float | str | list | tuple | dict | None)
    return declared is Any or not plain or not isinstance(declared, type)


def _items_fit(origin: Any, arguments: tuple[Any, ...], value: Any) -> bool:
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return len(value) == len(arguments) and all(map(_fits, arguments, value))
    return all(_fits(arguments[0], item) for item in value) if arguments else True


def _words(declared: Any) -> list[str]:
    """What a declared type takes, in words, each once."""
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin in (typing.Union, types.UnionType):
        return list(dict.fromkeys(word for one in arguments for word in _words(one)))
    if origin is typing.Literal:
        return [repr(one) for one in arguments]
    if origin is collections.abc.Callable:
        return ["a factory (@Name, without parentheses)"]
    if origin is tuple and arguments[-1] is not Ellipsis:
        return [f"({', '.join(' or '.join(_words(one)) for one in arguments)})"]
    if (origin or declared) in _LISTS:
        of = " or ".join(_words(arguments[0])) if arguments else "values"
        return [f"a list, e.g. [@Name], of {of}" if "@" in of else f"a list, [...], of {of}"]
    if origin is collections.abc.Mapping:
        return ["a dict, {'name': ...}"]
    return [_WORDS.get(declared, "nothing here: the program gives it")]


def _numbers(value: Any) -> list[float]:
    """The numbers in a value, True and False not counted."""
    if isinstance(value, list | tuple):
        return [number for item in value for number in _numbers(item)]
    return [value] if type(value) in (int, float) else []


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:96]} ..."
