"""What --list prints: every name a config may bind, its parameters, defaults and first sentence."""

import inspect
import textwrap
from typing import Any

from fewshot.binding import registry
from fewshot.binding.registrations import register_family
from fewshot.binding.suggestions import did_you_mean
from fewshot.binding.third_party import FAMILIES, family_of
from fewshot.errors import UserError

_WIDTH = 100
_LONGEST_DEFAULT = 40
_PLUG_INS = "plug-ins"


def listing(word: str = "") -> str:
    """All entries, or those whose name, parameters or documentation have the word, by noun.

    Imports every third-party family. Raises UserError where nothing has the word.
    """
    for prefix in FAMILIES:
        register_family(prefix)
    groups: dict[str, list[str]] = {}
    for selector in registry.selectors():
        name, line = registry.short(selector), first_line(registry.target(selector))
        searched = "\n".join([name, line, *registry.parameters(selector)])
        if word.lower() in searched.lower():
            groups.setdefault(noun(selector), []).append(_entry(selector, name, line))
    if not groups:
        names = [registry.short(selector) for selector in registry.selectors()]
        raise UserError(
            f"--list {word}: no name, parameter or description has '{word}' in it."
            f"{did_you_mean(word, names)}"
        )
    ordered = sorted(groups, key=lambda group: (group == _PLUG_INS, group in FAMILIES, group))
    return "\n".join("\n".join([group, "", *groups[group]]) for group in ordered)


def noun(selector: str) -> str:
    """The heading an entry stands under: a family's prefix, or the part of this project."""
    family = family_of(selector)
    if family is not None:
        return family
    parts = selector.split(".")
    if parts[0] != "fewshot":
        return _PLUG_INS
    return "experiment" if len(parts) == 3 else parts[1]


def first_line(thing: Any) -> str:
    """The first sentence of a class's or function's own documentation, '' where it has none."""
    documentation = inspect.cleandoc(thing.__doc__ or "")
    paragraph = " ".join(documentation.split("\n\n")[0].split())
    if paragraph.startswith("Args:"):
        return ""
    return textwrap.shorten(paragraph.split(". ")[0].rstrip("."), 160, placeholder=" ...")


def _entry(selector: str, name: str, line: str) -> str:
    bound = [
        parameter if default is inspect.Parameter.empty else f"{parameter}={_shown(default)}"
        for parameter, default in registry.parameters(selector).items()
    ]
    lines = [f"  {name}"]
    for text in (line, ", ".join(bound)):
        lines += textwrap.wrap(text, _WIDTH, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines) + "\n"


def _shown(default: Any) -> str:
    if inspect.isclass(default) or inspect.isroutine(default):
        return str(default.__name__)
    text = repr(default)
    return text if len(text) <= _LONGEST_DEFAULT else f"{text[: _LONGEST_DEFAULT - 4]} ..."
