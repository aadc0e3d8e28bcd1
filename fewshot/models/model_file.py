"""model.mdl: a trained objective as plain values and tensors; reading one executes nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fewshot.encoders.encoder import Encoder
from fewshot.encoders.state import check_fits
from fewshot.errors import UserError
from fewshot.experiment.files import write_atomically
from fewshot.experiment.tensor_bytes import serialised
from fewshot.interfaces import IntArray
from fewshot.models.version_1 import upgraded
from fewshot.objectives.classifiers import Classifier
from fewshot.objectives.objective import Objective

FORMAT = "fewshot model"
VERSION = 2


@dataclass(frozen=True)
class StoredPart:
    """An encoder or a classifier: registered name, arguments, state."""

    name: str
    arguments: dict[str, Any]
    state: dict[str, Tensor]


@dataclass(frozen=True)
class StoredModel:
    """What model.mdl holds.

    objective: class name. classifier: None where it scores no classes. rest: the tensors of the
    objective that belong to neither of the two.
    class_names: the training classes in output order; trained_classes: with them those of the
    models it started from; trained_images: int64 [n], digests of the pixels of all images they
    learned from. image_size: (height, width) of the training data; input_size, channels, mean, std:
    what the encoder saw.
    """

    path: Path
    objective: str
    encoder: StoredPart
    classifier: StoredPart | None
    rest: dict[str, Tensor]
    class_names: tuple[str, ...]
    trained_classes: tuple[str, ...]
    trained_images: Tensor
    image_size: tuple[int, int]
    input_size: tuple[int, int]
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    csv_digest: str


def save_model(objective: Objective, path: Path | str) -> None:
    """Write model.mdl; a file of that name is whole at any moment, the old one or the new."""
    classifier = getattr(objective, "classifier", None)
    if not isinstance(classifier, Classifier) or not hasattr(objective, "scores"):
        classifier = None  # a pretext task's scores no class: nothing may take it for one
    rest = {
        name: tensor
        for name, tensor in objective.rest_state().items()
        if classifier is None or not name.startswith("classifier.")
    }
    content = {
        "format": FORMAT,
        "version": VERSION,
        "objective": type(objective).__name__,
        "encoder": _part(objective.encoder),
        "classifier": None if classifier is None else _part(classifier),
        "rest": _on_cpu(rest),
        "class_names": tuple(objective.class_names),
        "trained_classes": tuple(objective.trained_classes),
        "trained_images": torch.from_numpy(_trained_images(objective)),
        "image_size": objective.spec.image_size,
        "input_size": objective.inputs.size,
        "channels": objective.inputs.channels,
        "mean": objective.inputs.mean,
        "std": objective.inputs.std,
        "csv_digest": objective.spec.csv_digest,
    }
    data = serialised(content)
    write_atomically(Path(path), lambda part: part.write_bytes(data))


def load_model(path: Path | str) -> StoredModel:
    """Read model.mdl; raises UserError when it is missing, broken, of another kind or newer."""
    place = Path(path).expanduser()
    if place.is_dir():
        raise UserError(f"the model '{path}' is a folder: bind the file in it, '{path}/model.mdl'.")
    if not place.is_file():
        raise UserError(
            f"the model '{path}' does not exist: bind the model.mdl of an experiment's folder that "
            "was run before."
        )
    try:
        content = torch.load(place, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a broken or foreign file
        raise UserError(
            f"the model '{path}' cannot be read ({type(error).__name__}): it is cut short or no "
            "model.mdl. Copy it again, or run the experiment that makes it."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(
            f"'{path}' is no model.mdl of this program: bind the model.mdl of an experiment's "
            "folder (not last.ckpt, which is for --resume)."
        )
    version = content.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise UserError(
            f"the model '{path}' has format version {version}, and this program reads "
            f"up to {VERSION}: use the version of the program that saved it, or a newer one."
        )
    try:
        return _stored(place, content)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"the model '{path}' is incomplete ({error}): run the experiment that makes it again."
        ) from error


def _stored(place: Path, content: dict[str, Any]) -> StoredModel:
    if content["version"] == 1:
        content = upgraded(content)
    values = {k: v for k, v in content.items() if k not in ("format", "version")}
    encoder, classifier = StoredPart(**values.pop("encoder")), values.pop("classifier")
    if classifier is not None:
        classifier = StoredPart(**classifier)
    return StoredModel(path=place, encoder=encoder, classifier=classifier, **values)


def restore(objective: Objective, stored: StoredModel) -> None:
    """Put a stored model's weights into the same objective, built alike.

    Raises UserError naming the tensors that do not fit.
    """
    load_encoder_state(objective.encoder, stored)
    rest = dict(stored.rest)
    if stored.classifier is not None:
        rest |= {f"classifier.{name}": v for name, v in stored.classifier.state.items()}
    objective.load_rest_state(rest)


def load_encoder_state(encoder: nn.Module, stored: StoredModel) -> None:
    """Put the stored encoder's weights into an encoder; raises UserError naming what misfits."""
    what = f"the encoder {stored.encoder.name} of '{stored.path}'"
    check_fits(what, encoder.state_dict(), stored.encoder.state)
    encoder.load_state_dict(stored.encoder.state)


def _part(part: Encoder | Classifier) -> dict[str, Any]:
    state = _on_cpu(part.state_dict())
    return {"name": part.name, "arguments": part.arguments, "state": state}


def _trained_images(objective: Objective) -> IntArray:
    return np.union1d(objective.spec.image_digests, objective.inherited_images)


def _on_cpu(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies, so that a view of a larger storage is not saved with all of it."""
    return {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
