"""Bound values against what parameters say they take: a word is no number."""

import types
import typing
from typing import Any

from fewshot.binding.registry import annotation, short
from fewshot.errors import UserError

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a text in quotes",
    types.NoneType: "None",
}


def check_value(selector: str, parameter: str, value: Any) -> None:
    """Raise UserError for a plain value of another type than the parameter is declared with.

    Parameters that take other things than numbers, texts, True, False and None are left alone, and
    so are references (@Name, %macro).
    """
    declared = annotation(selector, parameter)
    union = typing.get_origin(declared) in (typing.Union, types.UnionType)
    taken = typing.get_args(declared) if union else (declared,)
    plain = isinstance(value, int | float | str | list | tuple | dict | None)
    if not plain or not all(kind in _WORDS for kind in taken):
        return
    if type(value) in taken or (type(value) is int and float in taken):
        return
    words = " or ".join(_WORDS[kind] for kind in taken)
    raise UserError(f"{short(selector)}.{parameter} is {value!r}: bind {words}.")
