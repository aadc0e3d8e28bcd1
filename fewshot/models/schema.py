"""What may stand in a model file, checked completely before anything is built from it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fewshot.models.fields import (
    Check,
    FieldError,
    count,
    fields,
    flag,
    number,
    perhaps,
    plain,
    registered,
    several,
    tensor,
    tensors,
    text,
    wrong,
)

LARGEST_SIDE = 2 * 4096  # of inputs, which may pad an image to twice its size
_MOST_PIXELS = 4096 * 4096  # of inputs: an encoder may be tried on one as it is built
_MOST_CHANNELS = 64
_SMALLEST_STD = 1e-12


def checked(content: Mapping[Any, Any]) -> dict[str, Any]:
    """The fields of a file of version 2, each of the right kind; raises FieldError if not."""
    values = {k: v for k, v in content.items() if k not in ("format", "version", "digest")}
    strange = [key for key in values if key not in _FIELDS]
    if strange:
        raise FieldError(f"it has a field {strange[0]!r}")
    found = {}
    for name, check in _FIELDS.items():
        if name not in values:
            raise FieldError(f"it has no {name}")
        found[name] = check(name, values[name])
    inputs = found["inputs"]
    for given, wanted in (("image_size", inputs["size"]), ("in_channels", inputs["channels"])):
        stated = found["encoder"]["arguments"].get(given, wanted)
        if stated != wanted:
            raise FieldError(
                f"encoder.arguments.{given} is {stated!r}, and the inputs are {wanted}"
            )
    return found


def _classes(name: str, value: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = several(text)(name, value)
    if len(set(names)) < len(names):
        raise FieldError(f"{name} holds a class twice")
    return names


def _image_digests(name: str, value: Any) -> Tensor:
    if tensor(name, value).dtype != torch.int64 or value.ndim != 1:
        raise wrong(name, value, "a list of whole numbers")
    return value.detach()  # type: ignore[no-any-return]


def arguments(name: str, value: Any) -> dict[str, Any]:
    """Plain values by the names of arguments."""
    if not isinstance(value, dict):
        raise wrong(name, value, "a dict of arguments")
    return {registered(name, key): plain(f"{name}.{key}", item) for key, item in value.items()}


def _extras(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(name, value, "a dict")
    return plain(name, value, with_tensors=True)  # type: ignore[no-any-return]


def _resize(name: str, value: Any) -> str:
    if text(name, value) not in ("stretch", "pad"):
        raise wrong(name, value, "'stretch' or 'pad'")
    return str(value)


def _inputs(name: str, value: Any) -> dict[str, Any]:
    found: dict[str, Any] = fields(
        size=_SIZE,
        channels=count(_MOST_CHANNELS),
        mean=several(number),
        std=several(number),
    )(name, value)
    height, width = found["size"]
    if height * width > _MOST_PIXELS:
        raise FieldError(f"{name}.size is {found['size']}, of more than {_MOST_PIXELS:,} pixels")
    if not len(found["mean"]) == len(found["std"]) == found["channels"]:
        raise FieldError(
            f"{name} has not one mean and std for each of {found['channels']} channels"
        )
    if min(found["std"]) < _SMALLEST_STD:
        raise FieldError(f"{name}.std is {found['std']}, not above 0")
    return found


_SIZE = several(count(LARGEST_SIDE), 2)
_PART = fields(name=registered, arguments=arguments, state=tensors)
_FIELDS: Mapping[str, Check] = {
    "objective": text,
    "encoder": _PART,
    "projection": perhaps(_PART),
    "classifier": perhaps(_PART),
    "rest": tensors,
    "embeds": flag,
    "class_names": _classes,
    "trained_classes": _classes,
    "trained_images": _image_digests,
    "images": fields(size=_SIZE, channels=perhaps(count(_MOST_CHANNELS)), resize=perhaps(_resize)),
    "inputs": _inputs,
    "csv_digest": text,
    "extras": _extras,
}
