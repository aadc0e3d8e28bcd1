"""Classes added to a model from a few photos of each, without training."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fewshot.data.images.decode import UInt8Array
from fewshot.data.images.walk import overlapping, subfolders, walk_pictures
from fewshot.errors import UserError
from fewshot.models.prediction.decoded import decoded
from fewshot.models.prediction.photos import Photos
from fewshot.models.prediction.prediction import UNKNOWN
from fewshot.models.prediction.predictor import Predictor
from fewshot.models.references import Added
from fewshot.wording import compared, first_few

logger = logging.getLogger("fewshot")


def add_classes(model: Predictor, classes: Mapping[str, UInt8Array]) -> Predictor:
    """A model that also knows these: {name: images uint8 [N, C, H, W] of model.image_format}.

    The embeddings of its images stand for each; `beside.Beside` says how.
    Raises UserError for a name that the model has, and for a model that keeps no prototypes of the
    classes that it was trained on.
    """
    for name in classes:
        _check_name(model, name)
    base, before = model.extras.prototypes, model.extras.added
    if base is None and len(model.class_names) > len(model.added):
        raise UserError(
            f"'{model.path}' keeps no prototypes of its classes, with which added ones could be "
            "compared: it is of an earlier format, or not the model of a finished run. Train it "
            "again."
        )
    if not classes:
        return model
    features = [model.embed(images).cpu() for images in classes.values()]
    counts = torch.tensor([len(part) for part in features])
    labels = len(model.added) + torch.arange(len(features)).repeat_interleave(counts)
    if before is not None:
        features, labels = [before.features, *features], torch.cat([before.labels, labels])
    added = Added((*model.added, *classes), torch.cat(features), labels)
    return model.with_extras(replace(model.extras, added=added))


def remove_classes(model: Predictor, names: Sequence[str]) -> Predictor:
    """The model without these added classes; raises UserError for others."""
    added = model.extras.added
    for name in names:
        if name not in model.added:
            trained = " (it was trained on it)" if name in model.class_names else ""
            raise UserError(
                f"'{name}' was not added to '{model.path}'{trained}. Added were: "
                f"{first_few(model.added) if model.added else 'none'}."
            )
    if added is None:
        return model
    kept = [i for i, name in enumerate(added.class_names) if name not in names]
    rows = torch.isin(added.labels, torch.tensor(kept, dtype=torch.int64))
    labels = torch.searchsorted(torch.tensor(kept, dtype=torch.int64), added.labels[rows])
    left = Added(tuple(added.class_names[i] for i in kept), added.features[rows], labels)
    return model.with_extras(replace(model.extras, added=left if kept else None))


def read_classes(model: Predictor, folder: Path) -> dict[str, UInt8Array]:
    """{class: its images} of a folder that holds a folder of photos a class.

    Says which photos are broken, and goes on with the others. Raises UserError for a folder without
    folders, and for a class without a readable photo.
    """
    if not folder.is_dir():
        raise UserError(f"'{folder}' is no folder: give one that holds a folder a new class.")
    found, _ = subfolders(folder)
    if not found:
        raise UserError(
            f"'{folder}' holds no folders: put the photos of each new class in a folder in it that "
            "is called as the class is."
        )
    names = [compared(place.name) for place in found]
    for name in names:  # before anything is decoded
        _check_name(model, name)
    twice = sorted({name for name in names if names.count(name) > 1})
    shared = overlapping(found)
    if twice or shared:
        which = ", ".join(twice or sorted(place.name for place in shared or ()))
        raise UserError(
            f"'{folder}' holds two folders of one name, or of the same photos by a link: {which}. "
            "Give each class one folder of its own."
        )
    return {name: _read(model, place) for name, place in zip(names, found, strict=True)}


def _check_name(model: Predictor, name: str) -> None:
    if not name or name == UNKNOWN:
        raise UserError(f"'{name}' cannot be the name of a class: choose another.")
    if name in model.added:
        raise UserError(
            f"'{name}' was added to '{model.path}' before: --remove '{name}' first, or choose "
            "another name."
        )
    if name in model.class_names:
        raise UserError(
            f"'{name}' is a class that '{model.path}' was trained on: choose another name."
        )


def _read(model: Predictor, folder: Path) -> UInt8Array:
    walk = walk_pictures(folder)
    parts, broken = [], []
    for batch in decoded(Photos(walk.files), model.image_format):
        good = [i for i in range(len(batch.photos)) if i not in batch.failures]
        parts.append(batch.images[good])
        broken += [f"{batch.photos[i].name} ({why.reason})" for i, why in batch.failures.items()]
    images = np.concatenate(parts) if parts else np.zeros((0, *model.image_format.shape), np.uint8)
    if not len(images):
        raise UserError(
            f"no photo of '{folder.name}' can be read: {walk.summary()} in '{folder}'"
            f"{f', broken: {first_few(broken)}' if broken else ''}. Put a few photos in, or remove "
            "the folder."
        )
    if broken:
        logger.warning(
            "'%s' is added from %d of %d photos; could not be read: %s",
            folder.name,
            len(images),
            len(walk.files),
            first_few(broken),
        )
    return images
