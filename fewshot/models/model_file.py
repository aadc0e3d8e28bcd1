"""model.mdl: a trained objective as plain values and tensors; reading one executes nothing."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from fewshot.encoders.recorded import Recorded
from fewshot.errors import UserError
from fewshot.experiment.files import write_atomically
from fewshot.experiment.tensor_bytes import serialised
from fewshot.models.building import fill
from fewshot.models.digest import digest_of
from fewshot.models.fields import FieldError
from fewshot.models.schema import checked
from fewshot.models.stored import StoredImages, StoredInputs, StoredModel, StoredPart
from fewshot.models.version_1 import upgraded

if TYPE_CHECKING:  # a model that is read needs no tables, which interfaces speaks of
    from fewshot.interfaces import Savable

FORMAT = "fewshot model"
VERSION = 2


def save_model(objective: "Savable", path: Path | str) -> None:
    """Write model.mdl; a file of that name is whole at any moment, the old one or the new.

    Raises UserError for an objective that is no single model, and for values that are not finite.
    """
    write(stored_model(objective, Path(path)), path)


def stored_model(objective: "Savable", path: Path) -> StoredModel:
    """What a model file at that path would hold of an objective; the tensors are copies."""
    if not hasattr(objective, "rest_state"):
        raise UserError(
            f"{type(objective).__name__} is no single model that a model.mdl could hold: name the "
            "model files it is made of instead."
        )
    spec, inputs = objective.spec, objective.inputs
    projection, classifier = objective.embedded_by, objective.scored_by
    named = [name for name in (projection, classifier) if name]
    inherited = np.union1d(spec.image_digests, objective.inherited_images)
    return StoredModel(
        path=path,
        objective=type(objective).__name__,
        encoder=_part(objective.encoder),
        projection=_part(getattr(objective, projection)) if projection else None,
        classifier=_part(getattr(objective, classifier)) if classifier else None,
        rest={
            name: tensor
            for name, tensor in _on_cpu(objective.rest_state()).items()
            if name.partition(".")[0] not in named
        },
        embeds=objective.embeds_by_parts,
        class_names=tuple(objective.class_names),
        trained_classes=tuple(objective.trained_classes),
        trained_images=torch.from_numpy(inherited),
        images=StoredImages(spec.image_size, spec.channels, spec.resize),
        inputs=StoredInputs(inputs.size, inputs.channels, inputs.mean, inputs.std),
        csv_digest=spec.csv_digest,
    )


def write(stored: StoredModel, path: Path | str) -> None:
    """Write a model file; raises UserError for values that are not finite."""
    bad = stored.not_finite()
    if bad is not None:
        raise UserError(
            f"the model is not written, because {bad} holds values that are not finite: the "
            "training has diverged. Lower the learning rate, or bind Trainer.clip_norm = 1.0."
        )
    content = {"format": FORMAT, "version": VERSION} | asdict(stored)
    del content["path"]
    content["digest"] = digest_of(content)
    data = serialised(content)
    write_atomically(Path(path), lambda part: part.write_bytes(data))


def load_model(path: Path | str) -> StoredModel:
    """Read model.mdl; raises UserError when it is missing, damaged, of another kind or newer."""
    place = Path(path).expanduser()
    content = _read(place, path)
    kind = content.get("format") if isinstance(content, dict) else None
    if type(kind) is not str or kind != FORMAT:
        raise UserError(
            f"'{path}' is no model.mdl of this program: name the model.mdl of an experiment's "
            "folder (not last.ckpt, which is for --resume)."
        )
    version = content.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        shown = version if isinstance(version, int) and abs(version) < 10**18 else "unknown"
        raise UserError(
            f"the model '{path}' has format version {shown}, and this program reads "
            f"up to {VERSION}: use the version of the program that saved it, or a newer one."
        )
    if version > 1 and not _is_whole(content):
        raise UserError(
            f"the model '{path}' is damaged: its content does not have the digest it was saved "
            "with. Copy it again, or run the experiment that makes it."
        )
    try:
        stored = _stored(place, checked(upgraded(content) if version == 1 else content))
    except FieldError as error:
        raise UserError(
            f"the model '{path}' is damaged ({error}): copy it again, or run the experiment that "
            "makes it."
        ) from error
    bad = stored.not_finite()
    if bad is not None:
        raise UserError(
            f"the model '{path}' holds values that are not finite, first in {bad}: it was saved "
            "by a run that had diverged. Take another model, or run the experiment again."
        )
    return stored


def _read(place: Path, path: Path | str) -> Any:
    if place.is_dir():
        raise UserError(f"the model '{path}' is a folder: name the file in it, '{path}/model.mdl'.")
    if not place.is_file():
        raise UserError(
            f"the model '{path}' does not exist: name the model.mdl of an experiment's folder that "
            "was run before."
        )
    try:
        return torch.load(place, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a broken or foreign file
        raise UserError(
            f"the model '{path}' cannot be read ({type(error).__name__}): it is cut short or no "
            "model.mdl. Copy it again, or run the experiment that makes it."
        ) from error


def _is_whole(content: dict[str, Any]) -> bool:
    found = digest_of({key: value for key, value in content.items() if key != "digest"})
    return content.get("digest") == found


def _stored(place: Path, values: dict[str, Any]) -> StoredModel:
    for name in ("encoder", "projection", "classifier"):
        values[name] = None if values[name] is None else StoredPart(**values[name])
    values["images"] = StoredImages(**values["images"])
    values["inputs"] = StoredInputs(**values["inputs"])
    return StoredModel(path=place, **values)


def restore(objective: "Savable", stored: StoredModel) -> None:
    """Put a stored model's weights into the same objective, built alike.

    Raises UserError naming the tensors that do not fit.
    """
    fill(objective.encoder, "encoder", stored.encoder, str(stored.path))
    rest = dict(stored.rest)
    for name, part in (
        (objective.embedded_by, stored.projection),
        (objective.scored_by, stored.classifier),
    ):
        if part is not None:
            rest |= {f"{name}.{key}": value for key, value in part.state.items()}
    objective.load_rest_state(rest)


def _part(part: Recorded) -> StoredPart:
    return StoredPart(part.name, part.arguments, _on_cpu(part.state_dict()))


def _on_cpu(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies, so that a view of a larger storage is not saved with all of it."""
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
