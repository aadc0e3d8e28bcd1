"""What a new run takes from a stored model: inputs, encoder, and the classifier where it fits."""

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import gin
from torch import nn

from fewshot.encoders.encoder import Encoder, build_encoder
from fewshot.encoders.recorded import rebuild
from fewshot.encoders.state import check_fits
from fewshot.errors import UserError
from fewshot.interfaces import DataSpec
from fewshot.models.model_file import StoredModel, StoredPart, load_encoder_state
from fewshot.objectives.classifiers import Classifier, IdentityClassifier
from fewshot.objectives.inputs import Inputs
from fewshot.objectives.objective import Objective

logger = logging.getLogger("fewshot")

Factory = Callable[..., Any]


def reused_inputs(stored: StoredModel, inputs: Factory, spec: DataSpec) -> Inputs:
    """Inputs as the stored model's, but for what is bound.

    Raises UserError when the data's images have another size than the stored model's had, unless
    another Inputs.size is bound.
    """
    built: Inputs = inputs(
        dataclasses.replace(
            spec,
            image_size=stored.input_size,
            channels=stored.channels,
            mean=stored.mean,
            std=stored.std,
        )
    )
    if spec.image_size != stored.image_size and built.size == stored.input_size:
        raise UserError(
            f"the images are {spec.image_size}, but '{stored.path}' was trained on "
            f"{stored.image_size}: bind FashionDataset.image_size = {stored.image_size} (or, to go "
            "on at another size, Inputs.size)."
        )
    if spec.channels != built.channels:
        logger.info(
            "images of %d channel(s) are turned into the %d that '%s' was trained on",
            spec.channels,
            built.channels,
            stored.path,
        )
    return built


def reusing(
    stored: StoredModel, objective: str, encoder: Factory | None, inputs: Factory | None
) -> tuple[Factory, Factory]:
    """Factories of a stored model's encoder and inputs, for the objective of that name."""
    bound_inputs = inputs or gin.get_configurable("Inputs")
    return (
        lambda **sizes: reused_encoder(stored, objective, encoder, **sizes),
        lambda spec: reused_inputs(stored, bound_inputs, spec),
    )


def inherit(objective: Objective, stored: StoredModel) -> None:
    """Tell the objective which classes and images the stored weights have learned from."""
    classes = {*objective.trained_classes, *stored.trained_classes}
    objective.trained_classes = tuple(sorted(classes))
    objective.inherited_images = stored.trained_images.numpy()


def reused_encoder(
    stored: StoredModel, objective: str, bound: Factory | None, **sizes: Any
) -> Encoder:
    """The stored encoder with its weights, rebuilt, or built by the bound factory if that agrees.

    objective: its name in bindings, for errors. sizes: in_channels, image_size. Raises UserError
    where the bound one is another, or a tensor does not fit.
    """
    if bound is None:
        encoder = build_encoder(stored.encoder.name, stored.encoder.arguments | sizes)
    else:
        # published weights would be fetched only to be overwritten
        encoder = bound(**sizes, **getattr(bound, "initialisation", {}))
        here = _described(encoder.name, encoder.arguments)
        there = _described(stored.encoder.name, stored.encoder.arguments)
        # a model of an earlier version lacks what has a default since
        if here != there and encoder.name == stored.encoder.name:
            rebuilt = build_encoder(stored.encoder.name, stored.encoder.arguments | sizes)
            there = _described(rebuilt.name, rebuilt.arguments)
        if here != there:
            raise UserError(
                f"{objective}.encoder is {here}, but '{stored.path}' holds {there}: bind "
                f"{objective}.encoder = None to rebuild the stored one, or another "
                f"{objective}.saved_model_path."
            )
    load_encoder_state(encoder, stored)
    return encoder


def reused_classifier(
    stored: StoredModel,
    bound: Factory | None,
    num_features: int,
    class_names: tuple[str, ...],
    new_classifier: bool | None,
) -> Classifier:
    """The stored classifier where ordered classes and kind are the same, else a new one (logged).

    new_classifier: True always makes a new one, False always keeps the stored one. Raises UserError
    when there is no classifier to keep.
    """
    if new_classifier is False:
        return _kept(stored)
    code = stored.classifier is None and stored.encoder.arguments.get("code_size") == len(
        class_names
    )
    if bound is None and code and new_classifier is None:
        logger.info(
            "the code layer of '%s' is as wide as there are classes: kept as the classifier",
            stored.path,
        )
        return IdentityClassifier(num_features, len(class_names))
    same_classes = stored.classifier is not None and stored.class_names == class_names
    if bound is None and same_classes and new_classifier is None:
        return _kept(stored)
    factory = bound or gin.get_configurable("LinearClassifier")
    classifier: Classifier = factory(num_features, len(class_names))
    if new_classifier:
        reason = "TransferNet.new_classifier is True"
    elif stored.classifier is None:
        reason = f"a model of {stored.objective} has no classifier"
    elif not same_classes:
        reason = f"it was for other classes ({len(stored.class_names)}, now {len(class_names)})"
    elif not _same_classifier(classifier, stored.classifier):
        reason = f"it was {_described(stored.classifier.name, stored.classifier.arguments)}"
    else:
        return _kept(stored)
    logger.info(
        "new classifier %s in place of that of '%s': %s", classifier.name, stored.path, reason
    )
    return classifier


def reuse_projection(
    stored: StoredModel, projection: nn.Module, normalize: bool, new_projection: bool | None
) -> None:
    """Put a stored TripletNet's projection into one of the same shape (logged where it is new).

    new_projection: True always leaves it new, False refuses that. Raises UserError where the stored
    embedding has another size or other lengths.
    """
    state = stored.rest
    if "normalized" not in state or new_projection:
        if new_projection is False:
            raise UserError(
                f"TripletNet.new_projection is False, but '{stored.path}' is a model of "
                f"{stored.objective} and has no projection: bind TripletNet.embedding_size = None "
                "and TripletNet.new_projection = None to evaluate its encoder's features, or "
                "another TripletNet.saved_model_path."
            )
        logger.info("new projection behind the encoder of '%s' (%s)", stored.path, stored.objective)
        return
    weight = state.get("projection.weight")
    size = None if weight is None else len(weight)
    if size != getattr(projection, "out_features", None):
        raise UserError(
            f"the embedding of '{stored.path}' has "
            f"{'no projection' if size is None else f'{size} numbers'}: bind "
            f"TripletNet.embedding_size = {size}, or TripletNet.new_projection = True to train on."
        )
    if bool(state["normalized"]) != normalize:
        raise UserError(
            f"TripletNet.normalize is {normalize}, but the embedding of '{stored.path}' was "
            f"trained with {not normalize}: bind TripletNet.normalize = {not normalize}."
        )
    projection.load_state_dict(
        {
            key.removeprefix("projection."): value
            for key, value in state.items()
            if key.startswith("projection.")
        }
    )


def _kept(stored: StoredModel) -> Classifier:
    """The stored classifier with its weights."""
    part = stored.classifier
    if part is None:
        raise UserError(
            f"TransferNet.new_classifier is False, but '{stored.path}' is a model of "
            f"{stored.objective} and has no classifier: evaluate it with KNNClassification or a "
            "linear probe, or bind TransferNet.new_classifier = None and train one."
        )
    classifier: Classifier = rebuild("classifier", part.name, part.arguments)
    what = f"the classifier {part.name} of '{stored.path}'"
    check_fits(what, classifier.state_dict(), part.state)
    classifier.load_state_dict(part.state)
    return classifier


def _same_classifier(classifier: Classifier, stored: StoredPart) -> bool:
    if classifier.name != stored.name:
        return False
    # rebuilt, as a model of an earlier version lacks what has a default since
    before: Classifier = rebuild("classifier", stored.name, stored.arguments)
    return classifier.arguments == before.arguments


def _described(name: str, arguments: dict[str, Any]) -> str:
    shown = (f"{k}={v!r}" for k, v in sorted(arguments.items()) if k != "image_size")
    return f"{name}({', '.join(shown)})"
