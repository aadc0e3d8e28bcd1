"""Where the final configuration comes from: each value, its line, what it overrode, the default."""

import inspect
from collections.abc import Sequence

import gin

from fewshot.binding import config, provenance, registry
from fewshot.binding.flattening import literal
from fewshot.binding.provenance import MACRO, Key
from fewshot.binding.suggestions import did_you_mean
from fewshot.errors import UserError


def explanation(word: str = "") -> str:
    """Every binding that holds (of the names that have the word), with all that led to it.

    A parameter that is called just so comes alone: `lr` is no part of SmallResNet there. Raises
    UserError where nothing bound has the word.
    """
    names = {_name(key): key for key in _keys()}
    exact = {name: key for name, key in names.items() if name.rpartition(".")[2] == word}
    found = exact or {name: key for name, key in names.items() if word.lower() in name.lower()}
    if not found:
        raise UserError(
            f"--explain {word}: nothing that is bound has '{word}' in its name."
            f"{did_you_mean(word, names)}"
        )
    return "\n\n".join(_explained(name, found[name]) for name in sorted(found))


def differences(first: Sequence[str], second: Sequence[str]) -> str:
    """What two configurations bind differently, one block for each name; '' where nothing is."""
    sides = [bound_values(files) for files in (first, second)]
    lines = []
    for name in sorted(sides[0].keys() | sides[1].keys()):
        values = [side.get(name, ("not bound", "")) for side in sides]
        if values[0][0] != values[1][0]:
            lines.append(f"{name}")
            lines += [
                f"  {sign} {value}{f'   ({place})' if place else ''}"
                for sign, (value, place) in zip("-+", values, strict=True)
            ]
    return "\n".join(lines)


def bound_values(files: Sequence[str]) -> dict[str, tuple[str, str]]:
    """{name: (value, the file and line it is bound in)} of a configuration."""
    config.load(files, [])
    return {_name(key): (_value(key), provenance.place(key)) for key in _keys()}


def _keys() -> list[Key]:
    return [
        (scope, full, parameter)
        for (scope, full), values in gin.config._CONFIG.items()
        for parameter in values
    ]


def _name(key: Key) -> str:
    scope, full, parameter = key
    if full == MACRO:
        return f"%{scope}"
    name = registry.short(full)
    return f"{scope}/{name}.{parameter}" if scope else f"{name}.{parameter}"


def _value(key: Key) -> str:
    scope, full, parameter = key
    return literal(gin.config._CONFIG[scope, full][parameter], parameter)


def _explained(name: str, key: Key) -> str:
    history = provenance.history(key)
    lines = [f"{name} = {_value(key)}"]
    if history:
        lines.append(f"  bound in {history[-1].place}")
    lines += [
        f"  over {literal(bound.value, name)} in {bound.place}" for bound in reversed(history[:-1])
    ]
    if key[1] != MACRO:
        default = registry.parameters(key[1]).get(key[2], inspect.Parameter.empty)
        if default is not inspect.Parameter.empty:
            lines.append(f"  default {getattr(default, '__name__', None) or repr(default)}")
    return "\n".join(lines)
