"""What a model compares images with: its gallery, its classes' prototypes, photos of added ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fewshot.models.fields import (
    Check,
    FieldError,
    fields,
    number,
    perhaps,
    registered,
    several,
    tensor,
    text,
    wrong,
)
from fewshot.models.schema import arguments


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

    Each is the mean of embeddings from which `mean` [D] was subtracted, which were multiplied by
    `whitening` [D, D] (None: left as they are) and scaled to length 1. temperature: that the
    cosines to them are divided by.
    """

    class_names: tuple[str, ...]
    features: Tensor
    mean: Tensor
    whitening: Tensor | None
    temperature: float


@dataclass(frozen=True)
class Added:
    """Photos of classes that were added: features [N, D], labels int64 [N] into class_names."""

    class_names: tuple[str, ...]
    features: Tensor
    labels: Tensor


def positive(name: str, value: Any) -> float:
    """A finite number above 0."""
    if number(name, value) <= 0:
        raise wrong(name, value, "above 0")
    return float(value)


def gallery(name: str, value: Any) -> Gallery:
    """The checked gallery of a file."""
    found = Gallery(**_GALLERY(name, value))
    _check_labels(name, found)
    if len(found.ids) != len(found.features):
        raise FieldError(f"{name} has not one id for each of {len(found.features)} rows")
    return found


def prototypes(name: str, value: Any) -> Prototypes:
    """The checked prototypes of a file, of which early ones have no whitening."""
    complete = {"whitening": None, **value} if isinstance(value, dict) else value
    found = Prototypes(**_PROTOTYPES(name, complete))
    rows, width = found.features.shape
    if rows != len(set(found.class_names)) or rows != len(found.class_names):
        raise FieldError(f"{name} has not one prototype for each class")
    if len(found.mean) != width:
        raise FieldError(f"{name}.mean has {len(found.mean)} numbers, and the prototypes {width}")
    if found.whitening is not None and found.whitening.shape != (width, width):
        raise FieldError(f"{name}.whitening is not {width} x {width}")
    return found


def added(name: str, value: Any) -> Added:
    """The checked photos of added classes of a file."""
    found = Added(**_ADDED(name, value))
    _check_labels(name, found)
    if not len(found.labels.unique()) == len(set(found.class_names)) == len(found.class_names):
        raise FieldError(f"{name} has not a row for each class")
    return found


def _check_labels(name: str, found: Gallery | Added) -> None:
    rows, classes = len(found.features), len(found.class_names)
    if found.labels.dtype != torch.int64 or found.labels.shape != (rows,):
        raise wrong(f"{name}.labels", found.labels, f"{rows} whole numbers")
    known = (found.labels >= 0) & (found.labels < classes)
    if not rows or not bool(known.all()):
        raise FieldError(f"{name} has not one class for each of {rows} rows")


def _features(dimensions: int) -> Check:
    def check(name: str, value: Any) -> Tensor:
        found = tensor(name, value)
        if not found.is_floating_point() or found.ndim != dimensions:
            raise wrong(name, value, f"numbers in {dimensions} dimensions")
        if not found.isfinite().all():
            raise wrong(name, value, "finite")
        return found.float()

    return check


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
    whitening=perhaps(_features(2)),
    temperature=positive,
)
_ADDED = fields(class_names=several(text), features=_features(2), labels=tensor)
