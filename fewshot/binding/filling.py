"""Calling a bound factory with what it lacks: values known at run time, where nobody bound them."""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import gin

from fewshot.binding.refused import is_refusal
from fewshot.errors import UserError

Factory = Callable[..., Any]
Parameters = dict[str, inspect.Parameter]


def call_filled(
    factory: Factory, binding: str, fillings: Mapping[str, Any], *arguments: Any
) -> Any:
    """Call the factory with the fillings that its signature names and nobody bound.

    binding: what the factory is bound to, for messages; arguments: what it takes by position.
    Raises UserError when a required parameter is neither bound nor filled, or it refuses a value.
    """
    own, inherited = _parameters(factory, len(arguments))
    required = _required(own)
    # a base class's required value may be given by the class itself: only a known one is filled in
    fillable = own.keys() | _required(inherited)
    filled = {key: value for key, value in fillings.items() if key in fillable}
    open_ones = unbound(factory, required | filled.keys(), *arguments)
    name = name_of(factory)
    missing = sorted((required & open_ones) - filled.keys())
    if missing:
        raise UserError(
            f"{name}.{missing[0]} is not bound, and {name} ({binding}) cannot do without it: bind "
            f'it in the config or with -p "{name}.{missing[0]}=...".'
        )
    given = {key: value for key, value in filled.items() if key in open_ones}
    try:
        return factory(*arguments, **given)
    except (TypeError, ValueError, RuntimeError, AssertionError, ArithmeticError) as error:
        if not is_refusal(error):
            raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{name} ({binding}) refuses its bindings: {reason[0]}") from error


def unbound(factory: Factory, names: Collection[str], *arguments: Any) -> set[str]:
    """Which of the parameters have no binding in the factory's own scope.

    Gin tells it: a parameter passed as gin.REQUIRED that has no binding is named in an error
    raised before the factory's body runs. The probe adds one that never has a binding, so that the
    body is never reached.
    """
    if _original(factory) is factory:
        return set(names)
    never = "a parameter that nobody can bind"
    try:
        factory(*arguments, **dict.fromkeys([*names, never], gin.REQUIRED))
    except RuntimeError as error:
        return {name for name in names if f"'{name}'" in str(error)}
    except TypeError:  # wrapped, but not by gin
        pass
    return set(names)


def name_of(factory: Factory) -> str:
    """The name a config binds it under."""
    original = _original(factory)
    module = str(original.__module__)
    name = str(getattr(original, "__name__", original))
    if module.startswith("torch.optim."):
        family = "torch.optim.lr_scheduler" if "lr_scheduler" in module else "torch.optim"
        return f"{family}.{name}"
    return f"pml.{name}" if module.startswith("pytorch_metric_learning.") else name


def _parameters(factory: Factory, given: int) -> tuple[Parameters, Parameters]:
    """Those that can be given by name, but for the first `given`: its own, and inherited ones."""
    first, *others = (
        {
            parameter.name: parameter
            for parameter in signature.parameters.values()
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            and parameter.name != "self"
        }
        for signature in _signatures(_original(factory))
    )
    inherited: Parameters = {}
    for parameters in others:
        inherited = parameters | inherited  # the nearest class is asked first
    inherited = {key: inherited[key] for key in inherited.keys() - first.keys()}
    return dict(list(first.items())[given:]), inherited


def _required(parameters: Parameters) -> set[str]:
    return {key for key, parameter in parameters.items() if parameter.default is parameter.empty}


def _signatures(original: Any) -> Iterator[inspect.Signature]:
    """Of the function or constructor, and of those of base classes that its **kwargs go to."""
    makers = [original]
    if inspect.isclass(original):
        makers = [vars(base)["__init__"] for base in original.__mro__ if "__init__" in vars(base)]
    for maker in makers:
        signature = inspect.signature(maker)
        yield signature
        kinds = {parameter.kind for parameter in signature.parameters.values()}
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            return


def _original(factory: Factory) -> Any:
    """What gin wrapped: of a class, the first base that is not gin's; else the inner function."""
    if not inspect.isclass(factory):
        return inspect.unwrap(factory)
    return next(base for base in factory.__mro__ if not hasattr(type(base).__call__, "__wrapped__"))
