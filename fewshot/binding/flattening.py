"""Everything bound as one text that can be loaded again: what config.gin holds."""

import math
from collections.abc import Sequence
from typing import Any

import gin

from fewshot.binding import registry
from fewshot.binding.provenance import MACRO
from fewshot.errors import UserError

_WIDTH = 100
_HEADER = "# Everything bound for this run: files and -p in one, data paths absolute."


def flat_text(imports: Sequence[str] = ()) -> str:
    """Imports, macros and bindings, grouped by name, in an order that depends on nothing else."""
    groups: dict[tuple[bool, str, str], list[str]] = {}
    for (scope, full), values in gin.config._CONFIG.items():
        name = registry.short(full)
        for parameter, value in values.items():
            is_macro = full == MACRO
            scoped = f"{scope}/{name}" if scope else name
            left = scope if is_macro else f"{scoped}.{parameter}"
            key = (not is_macro, "" if is_macro else name, "" if is_macro else scope)
            groups.setdefault(key, []).append(f"{left} = {_broken(left, value)}")
    blocks = ["\n".join(f"import {module}" for module in imports)] if imports else []
    blocks += ["\n".join(sorted(groups[key])) for key in sorted(groups)]
    return "\n\n".join([_HEADER, *blocks]) + "\n"


def _broken(left: str, value: Any) -> str:
    """The value as gin reads it; the items of a long one on lines of their own."""
    text = literal(value, left)
    if len(left) + len(text) + 3 <= _WIDTH or not isinstance(value, list | tuple | dict):
        return text
    if isinstance(value, dict):
        items = [f"{literal(key, left)}: {literal(item, left)}" for key, item in value.items()]
    else:
        items = [literal(item, left) for item in value]
    return "\n".join([text[0], *(f"    {item}," for item in items), text[-1]])


def literal(value: Any, name: str) -> str:
    """A value as gin reads it; raises UserError for one that no config can hold."""
    match value:
        case gin.config.ConfigurableReference():
            return _reference(value)
        case list():
            return f"[{', '.join(literal(item, name) for item in value)}]"
        case tuple():
            comma = "," if len(value) == 1 else ""
            return f"({', '.join(literal(item, name) for item in value)}{comma})"
        case dict():
            pairs = (f"{literal(k, name)}: {literal(v, name)}" for k, v in value.items())
            return f"{{{', '.join(pairs)}}}"
        case float() if math.isinf(value):
            return "1e999" if value > 0 else "-1e999"
        case float() if math.isnan(value):
            raise UserError(f"{name} is not a number (nan), which no config can hold.")
        case bool() | int() | float() | str() | bytes() | None:
            return repr(value)
        case complex() if value.real == 0:
            return repr(value.imag) + "j"
    raise UserError(f"{name} is a {type(value).__name__}, which no config can hold: {value!r}.")


def _reference(reference: Any) -> str:
    full = reference.configurable.selector
    if reference.evaluate and full in (MACRO, "gin.constant"):
        return "%" + "/".join(reference.scopes)
    call = "()" if reference.evaluate else ""
    return "@" + "/".join([*reference.scopes, registry.short(full)]) + call
