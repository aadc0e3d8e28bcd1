"""What stands on the encoder of a run: kept from a stored model where that fits, or new."""

import logging
from collections.abc import Callable
from inspect import isclass
from typing import Any

import gin
from torch import nn

from fewshot.encoders.encoder import Encoder
from fewshot.errors import UserError
from fewshot.models.building import build_classifier, fill
from fewshot.models.parts import Classifier, Projection
from fewshot.models.reuse import described, read_otherwise
from fewshot.models.stored import StoredModel, StoredPart
from fewshot.objectives.classifiers import IdentityClassifier, LinearClassifier

logger = logging.getLogger("fewshot")

Factory = Callable[..., Any]


def built_classifier(
    owner: str, bound: Factory | None, num_features: int, num_classes: int
) -> Classifier:
    """What is bound to `owner.classifier`, by default a LinearClassifier.

    Raises UserError for what is no classifier, such as a head.
    """
    factory = bound or gin.get_configurable(LinearClassifier)
    wrong = UserError(
        f"{owner}.classifier is {getattr(factory, '__name__', repr(factory)[:60])}, which is no "
        f"classifier that trains: bind one without quotes and parentheses, e.g. "
        f"{owner}.classifier = @LinearClassifier. Heads, such as NearestPrototype, are bound on "
        "evaluators."
    )
    other = isclass(factory) and not issubclass(factory, Classifier)
    if other or not callable(factory) or isinstance(factory, nn.Module):
        raise wrong
    built = factory(num_features, num_classes)
    if not isinstance(built, Classifier):
        raise wrong
    return built


def reused_classifier(
    stored: StoredModel,
    bound: Factory | None,
    encoder: Encoder,
    class_names: tuple[str, ...],
    new_classifier: bool | None,
) -> Classifier:
    """The stored classifier where ordered classes, kind and features are the same, else a new one
    (logged).

    new_classifier: True always makes a new one, False always keeps the stored one. Raises UserError
    when there is no classifier to keep, or it is of other features than the encoder's.
    """
    otherwise, width = read_otherwise(stored, encoder), encoder.num_features
    if new_classifier is False:
        return _kept(stored, otherwise)
    code = stored.classifier is None and stored.encoder.arguments.get("code_size")
    if bound is None and code == len(class_names) and new_classifier is None:
        logger.info(
            "the code layer of '%s' is as wide as there are classes: kept as the classifier",
            stored.path,
        )
        return IdentityClassifier(width, len(class_names))
    reason = _why_new(stored, class_names, new_classifier, otherwise)
    if bound is None and not reason:
        return _kept(stored)
    classifier = built_classifier("TransferNet", bound, width, len(class_names))
    if not reason and stored.classifier is not None:
        if _is_same(classifier, stored.classifier, str(stored.path)):
            return _kept(stored)
        reason = f"it was {described(stored.classifier.name, stored.classifier.arguments)}"
    logger.info(
        "new classifier %s in place of that of '%s': %s", classifier.name, stored.path, reason
    )
    return classifier


def _why_new(
    stored: StoredModel, class_names: tuple[str, ...], new_classifier: bool | None, otherwise: str
) -> str:
    """Why the stored classifier is not kept, whatever classifier is bound; "" where it may be.

    otherwise: what `read_otherwise` says of the features.
    """
    if new_classifier:
        return "TransferNet.new_classifier is True"
    if stored.classifier is None:
        return f"a model of {stored.objective} has no classifier"
    if stored.class_names != class_names:
        return f"it was for other classes ({len(stored.class_names)}, now {len(class_names)})"
    return f"it was for other features ({otherwise} now)" if otherwise else ""


def _kept(stored: StoredModel, otherwise: str = "") -> Classifier:
    """The stored classifier with its weights."""
    if stored.classifier is None:
        raise UserError(
            f"TransferNet.new_classifier is False, but '{stored.path}' is a model of "
            f"{stored.objective} and has no classifier: evaluate it with KNNClassification or a "
            "linear probe, or bind TransferNet.new_classifier = None and train one."
        )
    if otherwise:
        raise UserError(
            f"TransferNet.new_classifier is False, but the classifier of '{stored.path}' was for "
            f"other features ({otherwise} now): bind TransferNet.encoder = None, or "
            "TransferNet.new_classifier = True where only the features are looked at."
        )
    return build_classifier(stored.classifier, str(stored.path))


def _is_same(classifier: Classifier, stored: StoredPart, place: str) -> bool:
    if classifier.name != stored.name:
        return False
    # rebuilt, as a model of an earlier version lacks what has a default since
    return classifier.arguments == build_classifier(stored, place).arguments


def reuse_projection(
    stored: StoredModel, projection: Projection, encoder: Encoder, new_projection: bool | None
) -> None:
    """Put a stored TripletNet's projection into one of the same kind (logged where it is new).

    new_projection: True always leaves it new, False refuses that. Raises UserError where the stored
    embedding has another size or other lengths, or is of other features than the encoder's.
    """
    if stored.projection is None or new_projection:
        if new_projection is False:
            raise UserError(
                f"TripletNet.new_projection is False, but '{stored.path}' is a model of "
                f"{stored.objective} and has no projection: bind Projection.size = None "
                "and TripletNet.new_projection = None to evaluate its encoder's features, or "
                "another TripletNet.saved_model_path."
            )
        logger.info("new projection behind the encoder of '%s' (%s)", stored.path, stored.objective)
        return
    otherwise = read_otherwise(stored, encoder)
    if otherwise:
        raise UserError(
            f"the projection of '{stored.path}' was for other features ({otherwise} now): bind "
            "TripletNet.encoder = None, or TripletNet.new_projection = True to train on."
        )
    here, there = projection.arguments, stored.projection.arguments
    size, normalize = there.get("size"), there.get("normalize")
    if size != here["size"]:
        raise UserError(
            f"the embedding of '{stored.path}' has "
            f"{'no projection' if size is None else f'{size} numbers'}: bind "
            f"Projection.size = {size}, or TripletNet.new_projection = True to train on."
        )
    if normalize != here["normalize"]:
        raise UserError(
            f"Projection.normalize is {here['normalize']}, but the embedding of '{stored.path}' "
            f"was trained with {normalize}: bind Projection.normalize = {normalize}."
        )
    fill(projection, "projection", stored.projection, str(stored.path))
