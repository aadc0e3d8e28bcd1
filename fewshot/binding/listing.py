"""What --list prints: every name a config may bind, a line each; of those asked for, all of it."""

import inspect
import textwrap
from typing import Any

from fewshot.binding import registry
from fewshot.binding.registrations import register_family
from fewshot.binding.suggestions import did_you_mean
from fewshot.binding.third_party import FAMILIES, family_of, third_party_names
from fewshot.errors import UserError

_WIDTH = 100
_LONGEST_DEFAULT = 40
_PLUG_INS = "plug-ins"
# the data sets of a run: one class, bound by scope
_SCOPED = {
    "FashionDataset": "the training images",
    "validation/FashionDataset": "chooses the model; without one, a share of the training rows",
    "test/FashionDataset": "scored once, by the model chosen; by default the test.csv beside",
    "novel/FashionDataset": "new classes: FewShotEvaluation.dataset = @novel/FashionDataset",
    "gallery/FashionDataset": "what is searched: Retrieval.gallery = @gallery/FashionDataset",
}


def listing(word: str = "") -> str:
    """A line for every name, by room; with a word, all of the names that have it somewhere.

    The word may be a name, or stand in a name, a parameter or the documentation. A word that is no
    name of ours is looked for in every third-party family, which takes their imports. Raises
    UserError where nothing has the word.
    """
    found = _matching(word)
    scoped = [f"{name}.csv_file" for name in _SCOPED]
    shows_data = not word or any(word.lower() in name.lower() for name in scoped)
    if not found and not shows_data:
        names = [registry.short(selector) for selector in registry.selectors()]
        raise UserError(
            f"--list {word}: no name, parameter or description has '{word}' in it."
            f"{did_you_mean(word, names)}"
        )
    groups: dict[str, list[str]] = {}
    for selector in found:
        groups.setdefault(noun(selector), []).append(selector)
    ordered = sorted(groups, key=lambda group: (group == _PLUG_INS, group in FAMILIES, group))
    blocks = [_block(group, groups[group], bool(word)) for group in ordered]
    if shows_data:
        lines = [_cut(f"  {name:<27}{line}") for name, line in _SCOPED.items()]
        blocks.append(
            "\n".join(["data sets by scope (each has csv_file, root_dir, ...)", "", *lines])
        )
    if not word:
        blocks.append(
            "--list NAME shows parameters and defaults, --list WORD all that has the word."
        )
    return "\n\n".join(blocks) + "\n"


def _matching(word: str) -> list[str]:
    """Full names: that of exactly this name, else of all that have the word."""
    names = sorted({*registry.selectors(), *third_party_names()})
    exact = [selector for selector in names if word in (registry.short(selector), selector)]
    if exact or not word:
        return exact or names
    for prefix in FAMILIES:
        register_family(prefix)
    return [selector for selector in names if word.lower() in _searched(selector).lower()]


def _searched(selector: str) -> str:
    described = first_line(registry.documentation(selector))
    return "\n".join([registry.short(selector), described, *registry.parameter_names(selector)])


def noun(selector: str) -> str:
    """The heading an entry stands under: a family's prefix, or the part of this project."""
    family = family_of(selector)
    if family is not None:
        return family
    parts = selector.split(".")
    if parts[0] != "fewshot":
        return _PLUG_INS
    return "experiment" if len(parts) == 3 else parts[1]


def first_line(documentation: str) -> str:
    """The first sentence of a class's or function's own documentation, '' where it has none."""
    paragraph = " ".join(documentation.split("\n\n")[0].split())
    if paragraph.startswith("Args:"):
        return ""
    return textwrap.shorten(paragraph.split(". ")[0].rstrip("."), 160, placeholder=" ...")


def _block(group: str, selectors: list[str], whole: bool) -> str:
    if whole:
        return "\n".join([group, "", "\n\n".join(_entry(selector) for selector in selectors)])
    if group in FAMILIES:
        library = FAMILIES[group].modules[0].partition(".")[0]
        names = ", ".join(selector.removeprefix(f"{group}.") for selector in selectors)
        lines = textwrap.wrap(names, _WIDTH, initial_indent="  ", subsequent_indent="  ")
        return "\n".join([f"{group}.*, from {library}", "", *lines])
    lines = [
        _cut(f"  {registry.short(one):<24} {first_line(registry.documentation(one))}".rstrip())
        for one in selectors
    ]
    return "\n".join([group, "", *lines])


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 4].rsplit(' ', 1)[0]} ..."


def _entry(selector: str) -> str:
    bound = [
        parameter if default is inspect.Parameter.empty else f"{parameter}={_shown(default)}"
        for parameter, default in registry.parameters(selector).items()
    ]
    thing = registry.target(selector)
    lines = [f"  {registry.short(selector)}"]
    for text in (
        first_line(registry.documentation(selector)),
        ", ".join(bound),
        f"from {thing.__module__}",
    ):
        lines += textwrap.wrap(text, _WIDTH, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def _shown(default: Any) -> str:
    if inspect.isclass(default) or inspect.isroutine(default):
        return str(default.__name__)
    text = repr(default)
    return text if len(text) <= _LONGEST_DEFAULT else f"{text[: _LONGEST_DEFAULT - 4]} ..."
