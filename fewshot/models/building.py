"""A stored part built again: only what is registered as its kind, from its own plain arguments."""

import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import NoneType, UnionType
from typing import Any, TypeVar

import gin
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from fewshot.binding.registrations import register_named
from fewshot.encoders.encoder import Encoder
from fewshot.encoders.recorded import Recorded
from fewshot.encoders.state import check_fits
from fewshot.errors import UserError
from fewshot.models.parts import Classifier, Projection
from fewshot.models.stored import StoredPart

Part = TypeVar("Part", bound=Recorded)

# what a library's model may have beside what is kept of it: a classifier, blocks that are cut off
_MORE_MODULES = 5_000
_MORE_VALUES = 250_000_000


def build_encoder(stored: StoredPart, place: str, **sizes: Any) -> Encoder:
    """The stored encoder with random weights; sizes: in_channels, image_size.

    Raises UserError where it cannot be built, see `rebuilt`.
    """
    sized = StoredPart(stored.name, stored.arguments | sizes, stored.state)
    return rebuilt(Encoder, "encoder", sized, place)


def build_classifier(stored: StoredPart, place: str) -> Classifier:
    """The stored classifier with its weights; raises UserError as `rebuilt` and for misfits."""
    return _filled(rebuilt(Classifier, "classifier", stored, place), "classifier", stored, place)


def build_projection(stored: StoredPart, place: str) -> Projection:
    """The stored projection with its weights; raises UserError as `rebuilt` and for misfits."""
    return _filled(rebuilt(Projection, "projection", stored, place), "projection", stored, place)


def fill(part: nn.Module, kind: str, stored: StoredPart, place: str) -> None:
    """Put the stored tensors into a part; raises UserError naming those that do not fit."""
    check_fits(f"the {kind} {stored.name} of '{place}'", part.state_dict(), stored.state)
    part.load_state_dict(stored.state)


def _filled(part: Part, kind: str, stored: StoredPart, place: str) -> Part:
    fill(part, kind, stored, place)
    return part


def rebuilt(kind: type[Part], what: str, stored: StoredPart, place: str) -> Part:
    """The module of that registered name and those arguments, with random weights.

    What a model of an earlier version lacks has its default, whatever is bound today. Raises
    UserError when the name is not registered, or as another kind of thing; when it does not take
    those arguments or values of their kind; and when what it builds is far larger than what is
    stored.
    """
    made = _registered(kind, what, stored.name, place)
    accepted = inspect.signature(made.__init__).parameters
    more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())
    unknown = set() if more else set(stored.arguments) - set(accepted)
    unknown |= set(stored.arguments) & set(made.initialisation)  # never saved
    if unknown:
        named = ", ".join(sorted(unknown))
        raise UserError(
            f"the {what} {stored.name} of '{place}' was built with {named}, which "
            f"today's {stored.name} does not take: use the version of the program that saved it."
        )
    _check_kinds(made, what, stored, place)
    defaults = {p.name: p.default for p in accepted.values() if p.default is not p.empty}
    arguments = {**defaults, **stored.arguments, **made.initialisation}
    try:
        with _not_larger_than(stored.state):
            return made(**arguments)
    except UserError as error:
        raise UserError(f"the {what} of '{place}' cannot be built: {error}") from error
    except Exception as error:  # whatever a library raises for arguments that make no sense
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"the {what} {stored.name} of '{place}' cannot be built from its stored arguments "
            f"({reason[0][:200]}): the file is damaged, or of another version of {stored.name}."
        ) from error


def _registered(kind: type[Part], what: str, name: str, place: str) -> type[Part]:
    """The class of that name, refused unless it is of the kind; nothing is constructed."""
    if kind is Projection and name == Projection.__name__:
        return kind
    try:
        found = configurable(name, "fewshot.encoders", "fewshot.objectives")
    except (ValueError, KeyError, LookupError) as error:
        raise UserError(
            f"'{place}' needs the {what} {name}, which is not registered: import the module that "
            "registers it, with a line 'import my_module' in the .gin file."
        ) from error
    if not inspect.isclass(found) or not issubclass(found, kind):
        raise UserError(
            f"'{place}' names {name} as its {what}, and that is none: the file is damaged or not "
            f"to be trusted. If a plug-in of yours has a {what} of that name, rename it."
        )
    return found


def configurable(name: str, *rooms: str) -> Any:
    """What is registered under a name, once the rooms have been imported where it is not yet.

    Raises what gin does where it is not registered there either.
    """
    try:
        return gin.get_configurable(name)
    except (ValueError, KeyError, LookupError):
        register_named(name, rooms)
        return gin.get_configurable(name)


def _check_kinds(made: type[Recorded], what: str, stored: StoredPart, place: str) -> None:
    declared = typing.get_type_hints(inspect.unwrap(made.__init__))
    for name, value in stored.arguments.items():
        if name in declared and not matches(declared[name], value):
            raise UserError(
                f"'{place}' has {name} = {repr(value)[:60]} for its {what} {stored.name}, which is "
                "no value of that argument's kind: the file is damaged."
            )


def matches(declared: Any, value: Any) -> bool:
    """Whether a plain value is of the declared type; True for types that are not plain."""
    origin, inner = typing.get_origin(declared), typing.get_args(declared)
    if origin in (typing.Union, UnionType):
        return any(matches(one, value) for one in inner)
    if declared is float:
        return type(value) in (int, float)
    if declared in (int, bool, str, NoneType):
        return type(value) is declared
    if origin is tuple and Ellipsis not in inner:
        fits = isinstance(value, tuple) and len(value) == len(inner)
        return fits and all(matches(one, item) for one, item in zip(inner, value, strict=True))
    if origin in (list, tuple, Sequence):
        return isinstance(value, tuple) and all(matches(inner[0], item) for item in value)
    if origin in (dict, Mapping):
        return isinstance(value, dict) and all(matches(inner[1], v) for v in value.values())
    return True


class _TooLargeError(Exception):
    """More is being built than the stored tensors can fill."""


@contextmanager
def _not_larger_than(state: Mapping[str, Tensor]) -> Iterator[None]:
    """Stop by _TooLargeError what is built inside once it has far more parts than the state."""
    modules = len(state) + _MORE_MODULES
    values = sum(tensor.numel() for tensor in state.values()) + _MORE_VALUES

    def count_module(_parent: nn.Module, _name: str, _module: Any) -> None:
        nonlocal modules
        modules -= 1
        if modules < 0:
            raise _TooLargeError("it has far more parts than are stored")

    def count_values(_parent: nn.Module, _name: str, parameter: Any) -> None:
        nonlocal values
        values -= 0 if parameter is None else parameter.numel()
        if values < 0:
            raise _TooLargeError("it is far larger than what is stored")

    handles = [
        hooks.register_module_module_registration_hook(count_module),
        hooks.register_module_parameter_registration_hook(count_values),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
