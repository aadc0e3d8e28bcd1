"""What a run or a user added to a model: read from its file as typed values, written at once.

A run's evaluators bring these names (Evaluation.kept), and main writes them when it is done:

temperature   above 0; what scores are divided by to become probabilities
threshold     the probability below which the likeliest class is no answer, but "unknown"
mirrored, shift   over which variants of an image a classifier's scores are averaged
gallery, prototypes   of the training images, see references.py
items_on_black   whether training images show grey items on black, as Fashion-MNIST's do
columns       the classes of further label columns, by column, in the order of their scores
added         embeddings of the photos of classes that were added without training
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewshot.errors import UserError
from fewshot.models import references
from fewshot.models.fields import (
    Check,
    FieldError,
    count,
    flag,
    number,
    several,
    text,
    wrong,
)
from fewshot.models.model_file import load_model, write
from fewshot.models.references import Added, Gallery, Prototypes
from fewshot.models.schema import LARGEST_SIDE
from fewshot.models.stored import StoredModel


@dataclass(frozen=True)
class Extras:
    """What was added to a model; None where it was not."""

    temperature: float = 1.0
    threshold: float | None = None
    mirrored: bool = False
    shift: int = 0
    items_on_black: bool | None = None
    gallery: Gallery | None = None
    prototypes: Prototypes | None = None
    added: Added | None = None
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


def as_plain(value: Gallery | Prototypes | Added) -> dict[str, Any]:
    """What a file holds of it."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


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


_CHECKS: Mapping[str, Check] = {
    "temperature": references.positive,
    "threshold": _threshold,
    "mirrored": flag,
    "shift": _shift,
    "items_on_black": flag,
    "gallery": references.gallery,
    "prototypes": references.prototypes,
    "added": references.added,
    "columns": _columns,
}
