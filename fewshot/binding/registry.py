"""What can be named: full names, the short names that users type, and the parameters of each.

Names of this project are known, with their parameters, before gin knows them: what they stand for
is imported only where more is asked. gin offers no public way to ask what is registered, so its
private tables are read here and nowhere else but in the modules that load and write bindings.
"""

import inspect
from collections.abc import Iterator
from typing import Any

import gin

from fewshot.binding.registrations import register
from fewshot.binding.renamed import now_called
from fewshot.binding.sources import declared, modules
from fewshot.binding.suggestions import closest, did_you_mean
from fewshot.binding.third_party import FAMILIES, family_of, plain_type, third_party_names
from fewshot.errors import UserError

_BOUND_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def resolve(name: str) -> str:
    """The full name that a user's name stands for; nothing is imported.

    A name of this project or a plug-in wins over a third-party one. Raises UserError where the name
    is unknown or stands for several things.
    """
    own = _own_matches(name)
    others = [] if own else _third_party_matches(name)
    if len(own) + len(others) > 1:
        raise UserError(f"'{name}' may be {' or '.join(own or others)}: write the longer name.")
    if own or others:
        return [*own, *others][0]
    hint = now_called(name) or did_you_mean(name, [*own_names(), *third_party_names()])
    raise UserError(f"there is no '{name}'.{hint} `--list` shows every name.")


def _own_matches(name: str) -> list[str]:
    matches = {*gin.config._REGISTRY.matching_selectors(name), *modules().matching_selectors(name)}
    return sorted(match for match in matches if family_of(match) is None)


def _third_party_matches(name: str) -> list[str]:
    names = third_party_names()
    return [name] if name in names else [full for full in names if full.endswith(f".{name}")]


def selectors() -> list[str]:
    """Full names of all of ours and of everything registered, gin's own machinery left out."""
    names = {
        selector for known in (gin.config._REGISTRY, modules()) for selector, _ in known.items()
    }
    return sorted(name for name in names if not name.startswith("gin."))


def own_names() -> list[str]:
    """Short names of what this project and plug-ins offer."""
    return [short(name) for name in selectors() if family_of(name) is None]


def short(selector: str) -> str:
    """The shortest name that stands for this one, third-party and gin's names in full.

    Third-party names keep their prefix, because which of them are registered differs between runs.
    """
    if family_of(selector) or selector.startswith("gin."):
        return selector
    parts = selector.split(".")
    tails = (".".join(parts[-count:]) for count in range(1, len(parts)))
    return next((tail for tail in tails if _own_matches(tail) == [selector]), selector)


def unambiguous(selector: str) -> str:
    """The short name where gin itself finds it without doubt, else the full one."""
    name = short(selector)
    return name if gin.config._REGISTRY.matching_selectors(name) == [selector] else selector


def target(selector: str) -> Any:
    """The class or function behind a full name, imported."""
    return _configurable(selector).wrapped


def _configurable(selector: str) -> Any:
    register(selector)
    return gin.config._REGISTRY[selector]


def documentation(selector: str) -> str:
    """The docstring of a class or function itself; of one of ours nothing is imported."""
    if selector in modules():
        return str(declared(selector).documentation)
    return inspect.cleandoc(target(selector).__doc__ or "")


def parameter_names(selector: str) -> list[str]:
    """Names of the parameters that a config may bind; of one of ours nothing is imported."""
    if selector in modules():
        return list(declared(selector).parameters)
    return list(parameters(selector))


def parameters(selector: str) -> dict[str, Any]:
    """Parameter names -> defaults (inspect.Parameter.empty where there is none)."""
    configurable = _configurable(selector)
    found: dict[str, Any] = {}
    for function in _signatures(selector, configurable.wrapped):
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind in _BOUND_BY_NAME and parameter.name != "self":
                found.setdefault(parameter.name, parameter.default)
    allowed, denied = configurable.allowlist, configurable.denylist or ()
    return {
        name: default
        for name, default in found.items()
        if name not in denied and (not allowed or name in allowed)
    }


def annotation(selector: str, parameter: str) -> Any:
    """The declared type of a parameter; None where none is, or a third party's is not plain."""
    plain_only = family_of(selector) is not None
    for function in _signatures(selector, target(selector)):
        declared = inspect.signature(function).parameters.get(parameter)
        if declared is not None and plain_only:
            return plain_type(selector, declared)
        if declared is not None and declared.annotation is not declared.empty:
            return declared.annotation
    return None


def _signatures(selector: str, wrapped: Any) -> Iterator[Any]:
    """The constructor or function and, in a closed family, the constructors its **kwargs go to."""
    if not inspect.isclass(wrapped):
        yield inspect.unwrap(wrapped)
        return
    if not _is_closed(selector):
        yield gin.config._find_class_construction_fn(wrapped)
        return
    for base in inspect.getmro(wrapped):
        if "__init__" in vars(base) and base is not object:
            yield vars(base)["__init__"]


def _is_closed(selector: str) -> bool:
    family = family_of(selector)
    return family is not None and FAMILIES[family].closed


def check_parameter(selector: str, parameter: str) -> None:
    """Raise UserError where the thing named has no such parameter."""
    known = parameter_names(selector)
    if parameter in known or _takes_any(selector):
        return
    name = short(selector)
    elsewhere = [full for full in own_parameters() if full.endswith(f".{parameter}")]
    near = closest(parameter, known) or elsewhere[:3]
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    hint = now_called(f"{name}.{parameter}") or hint
    listed = ", ".join(known) or "none"
    raise UserError(f"{name} has no parameter '{parameter}'.{hint} Its parameters: {listed}.")


def _takes_any(selector: str) -> bool:
    """Whether parameters beyond those it lists reach it, so that a misspelt one is not noticed."""
    if selector in modules():
        return bool(declared(selector).takes_any)
    function = next(_signatures(selector, target(selector)))
    kinds = {one.kind for one in inspect.signature(function).parameters.values()}
    return not _is_closed(selector) and inspect.Parameter.VAR_KEYWORD in kinds


def own_parameters() -> list[str]:
    """`Name.parameter` of everything that this project and plug-ins offer."""
    return [
        f"{short(selector)}.{parameter}"
        for selector in selectors()
        if family_of(selector) is None
        for parameter in parameter_names(selector)
    ]
