"""Checks of single values from a file: each gives the value back or says what is wrong with it."""

import math
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_LONGEST = 10_000  # characters of a name
_LARGEST_NUMBER = 2**31
_LARGEST_MEASURE = 1e30
_DEEPEST = 5
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")
_DTYPES = (
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
)

Check = Callable[[str, Any], Any]


class FieldError(Exception):
    """A field of a model file is missing or holds what it may not; the text says which."""


def wrong(name: str, value: Any, wanted: str) -> FieldError:
    """The error for a value that is not what is wanted."""
    shown = f"a {type(value).__name__}"
    if isinstance(value, (str, float, bool)) or (type(value) is int and abs(value) < 10**18):
        shown = repr(value)[:60]
    return FieldError(f"{name} is {shown}, not {wanted}")


def text(name: str, value: Any) -> str:
    """A text of bounded length."""
    if type(value) is not str or len(value) > _LONGEST:
        raise wrong(name, value, "a text")
    return value


def registered(name: str, value: Any) -> str:
    """A name that a class may be registered under."""
    if not _NAME.match(text(name, value)):
        raise wrong(name, value, "the name of a class")
    return str(value)


def flag(name: str, value: Any) -> bool:
    """True or False."""
    if type(value) is not bool:
        raise wrong(name, value, "True or False")
    return value


def count(most: int) -> Check:
    """Of a whole number from 1 to most."""

    def check(name: str, value: Any) -> int:
        if type(value) is not int or not 1 <= value <= most:
            raise wrong(name, value, f"a whole number from 1 to {most}")
        return value

    return check


def number(name: str, value: Any) -> float:
    """A finite number."""
    if type(value) not in (int, float) or not abs(value) <= _LARGEST_MEASURE:
        raise wrong(name, value, "a number")
    return float(value)


def several(check: Check, length: int | None = None) -> Check:
    """Of a list or tuple, each item checked; length: how many there must be."""

    def each(name: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (tuple, list)) or length not in (None, len(value)):
            raise wrong(name, value, "a list" if length is None else f"{length} values")
        return tuple(check(f"{name}[{place}]", item) for place, item in enumerate(value))

    return each


def perhaps(check: Check) -> Check:
    """Of what may be None, too."""
    return lambda name, value: None if value is None else check(name, value)


def fields(**checks: Check) -> Check:
    """Of a dict with exactly these keys."""

    def each(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or set(value) != set(checks):
            raise wrong(name, value, f"a dict of {', '.join(checks)}")
        return {key: check(f"{name}.{key}", value[key]) for key, check in checks.items()}

    return each


def tensor(name: str, value: Any) -> Tensor:
    """A dense tensor of an ordinary kind in memory."""
    plain = isinstance(value, Tensor) and value.layout is torch.strided
    if not plain or value.dtype not in _DTYPES or value.device.type != "cpu":
        raise wrong(name, value, "a plain tensor")
    return value.detach()  # type: ignore[no-any-return]


def tensors(name: str, value: Any) -> dict[str, Tensor]:
    """Tensors by name."""
    if not isinstance(value, dict):
        raise wrong(name, value, "a dict of tensors")
    return {text(name, key): tensor(f"{name}.{key}", item) for key, item in value.items()}


def plain(name: str, value: Any, with_tensors: bool = False, depth: int = 0) -> Any:
    """A value of nothing but texts, bounded numbers, bools, None, and lists and dicts of these.

    with_tensors: whether they may hold tensors, too. Raises FieldError for any other.
    """
    if value is None or type(value) is bool:
        return value
    if type(value) is str:
        return text(name, value)
    if type(value) is int and abs(value) <= _LARGEST_NUMBER:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if with_tensors and isinstance(value, Tensor):
        return tensor(name, value)
    if depth < _DEEPEST and isinstance(value, (tuple, list)):
        return tuple(plain(name, item, with_tensors, depth + 1) for item in value)
    if depth < _DEEPEST and isinstance(value, dict):
        return {
            text(name, key): plain(f"{name}.{key}", item, with_tensors, depth + 1)
            for key, item in value.items()
        }
    raise wrong(name, value, "a plain value")
