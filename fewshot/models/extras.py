"""What a run or a user added to a model: read from its file as typed values, written at once.

A run's evaluators bring these names (Evaluation.kept), and main writes them when it is done:

temperature   above 0; what scores are divided by to become probabilities
threshold     the probability below which the likeliest class is no answer, but "unknown"
mirrored, shift   over which variants of an image a classifier's scores are averaged
gallery, prototypes   of the training images, see Gallery and Prototypes
columns       the classes of further label columns, by column, in the order of their scores
added         prototypes of classes that were added without training
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fewshot.errors import UserError
from fewshot.models.fields import (
    Check,
    FieldError,
    count,
    fields,
    flag,
    number,
    perhaps,
    registered,
    several,
    tensor,
    text,
    wrong,
)
from fewshot.models.model_file import load_model, write
from fewshot.models.schema import LARGEST_SIDE, arguments
from fewshot.models.stored import StoredModel


@dataclass(frozen=True)
class Gallery:
    """Labelled training images: ids, features [G, D], labels int64 [G] into class_names.

    head: {"name", "arguments"} of what classifies by comparing with them, None where a classifier
    does.
    """

    ids: tuple[str, ...]
    features: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    head: Mapping[str, Any] | None


@dataclass(frozen=True)
class Prototypes:
    """One direction a class: features float [C, D], of length 1, of class_names.

    Each is the mean of embeddings from which `mean` [D] was subtracted, each scaled to length 1
    (https://arxiv.org/abs/1911.04623). temperature: that the cosines to them are divided by.
    """

    class_names: tuple[str, ...]
    features: Tensor
    mean: Tensor
    temperature: float


@dataclass(frozen=True)
class Extras:
    """What was added to a model; None where it was not.

    added: with the mean and temperature of the prototypes, where there are any.
    """

    temperature: float = 1.0
    threshold: float | None = None
    mirrored: bool = False
    shift: int = 0
    gallery: Gallery | None = None
    prototypes: Prototypes | None = None
    added: Prototypes | None = None
    columns: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def extras_of(stored: StoredModel) -> Extras:
    """The checked extras of a stored model; names that are not known are left alone.

    Raises UserError for one that does not hold what it should.
    """
    found = {}
    for name, check in _CHECKS.items():
        if name in stored.extras:
            try:
                found[name] = check(name, stored.extras[name])
            except FieldError as error:
                raise UserError(
                    f"the model '{stored.path}' is damaged ({error}): run the experiment that "
                    "makes it."
                ) from error
    return Extras(**found)


def add_extras(path: Path | str, extras: Mapping[str, Any]) -> None:
    """Write a model file again with these extras, beside those of other names that it has."""
    if extras:
        stored = load_model(path)
        write(dataclasses.replace(stored, extras={**stored.extras, **extras}), path)


def as_plain(value: Gallery | Prototypes) -> dict[str, Any]:
    """What a file holds of it."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _temperature(name: str, value: Any) -> float:
    if number(name, value) <= 0:
        raise wrong(name, value, "above 0")
    return float(value)


def _threshold(name: str, value: Any) -> float:
    if not 0 <= number(name, value) <= 1:
        raise wrong(name, value, "from 0 to 1")
    return float(value)


def _columns(name: str, value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise wrong(name, value, "a dict of classes by column")
    return {text(name, key): several(text)(f"{name}.{key}", item) for key, item in value.items()}


def _shift(name: str, value: Any) -> int:
    return 0 if value == 0 else int(count(LARGEST_SIDE)(name, value))


def _features(dimensions: int) -> Check:
    def check(name: str, value: Any) -> Tensor:
        found = tensor(name, value)
        if not found.is_floating_point() or found.ndim != dimensions:
            raise wrong(name, value, f"numbers in {dimensions} dimensions")
        if not found.isfinite().all():
            raise wrong(name, value, "finite")
        return found.float()

    return check


def _gallery(name: str, value: Any) -> Gallery:
    found = Gallery(**_GALLERY(name, value))
    rows, classes = len(found.features), len(found.class_names)
    if found.labels.dtype != torch.int64 or found.labels.shape != (rows,):
        raise wrong(f"{name}.labels", found.labels, f"{rows} whole numbers")
    known = (found.labels >= 0) & (found.labels < classes)
    if not rows or len(found.ids) != rows or not bool(known.all()):
        raise FieldError(f"{name} has not one id and one class for each of {rows} rows")
    return found


def _prototypes(name: str, value: Any) -> Prototypes:
    found = Prototypes(**_PROTOTYPES(name, value))
    rows, width = found.features.shape
    if rows != len(set(found.class_names)) or rows != len(found.class_names):
        raise FieldError(f"{name} has not one prototype for each class")
    if len(found.mean) != width:
        raise FieldError(f"{name}.mean has {len(found.mean)} numbers, and the prototypes {width}")
    return found


_GALLERY = fields(
    ids=several(text),
    features=_features(2),
    labels=tensor,
    class_names=several(text),
    head=perhaps(fields(name=registered, arguments=arguments)),
)
_PROTOTYPES = fields(
    class_names=several(text),
    features=_features(2),
    mean=_features(1),
    temperature=_temperature,
)
_CHECKS: Mapping[str, Check] = {
    "temperature": _temperature,
    "threshold": _threshold,
    "mirrored": flag,
    "shift": _shift,
    "gallery": _gallery,
    "prototypes": _prototypes,
    "added": _prototypes,
    "columns": _columns,
}
