"""What a new run takes from a stored model: its image format, its encoder, what it learned from."""

import dataclasses
import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gin

from fewshot.batch import DataSpec
from fewshot.encoders.encoder import Encoder, built_encoder
from fewshot.errors import UserError
from fewshot.models.building import build_encoder, fill
from fewshot.models.normalisation import Normalisation
from fewshot.models.stored import StoredImages, StoredModel

if TYPE_CHECKING:  # a model that is read needs no tables, which interfaces speaks of
    from fewshot.interfaces import Savable

logger = logging.getLogger("fewshot")

Factory = Callable[..., Any]


def reusing(
    stored: StoredModel, objective: str, encoder: Factory | None, inputs: Factory | None = None
) -> tuple[Factory, Factory]:
    """Factories of a stored model's encoder and inputs, for the objective of that name."""
    bound_inputs = inputs or gin.get_configurable("Inputs")
    return (
        _returning(lambda **sizes: reused_encoder(stored, objective, encoder, **sizes)),
        lambda spec, **options: reused_inputs(stored, bound_inputs, spec, **options),
    )


def _returning(factory: Factory) -> Factory:
    factory.__name__ = "the saved model's"
    return factory


def reused_inputs(
    stored: StoredModel, inputs: Factory, spec: DataSpec, **options: Any
) -> Normalisation:
    """Inputs as the stored model's, but for what is bound.

    Raises UserError when the run prepares its images otherwise than the model's were, unless
    another Inputs.size is bound to go on at another size.
    """
    built: Normalisation = inputs(
        dataclasses.replace(
            spec,
            image_size=stored.inputs.size,
            channels=stored.inputs.channels,
            mean=stored.inputs.mean,
            std=stored.inputs.std,
            covariance=(),
        ),
        **options,
    )
    there = stored.images
    if spec.image_size != there.size and built.size == stored.inputs.size:
        raise UserError(
            f"the images are {spec.image_size}, but '{stored.path}' was trained on "
            f"{there.size}: bind FashionDataset.image_size = {there.size} (or, to go "
            "on at another size, Inputs.size)."
        )
    here = StoredImages(spec.image_size, spec.channels, spec.resize)
    for name in ("channels", "resize"):
        mine, theirs = getattr(here, name), getattr(there, name)
        if None not in (mine, theirs) and mine != theirs:
            raise UserError(
                f"FashionDataset.{name} is {mine!r}, but '{stored.path}' was trained on images "
                f"prepared with {theirs!r}: bind FashionDataset.{name} = {theirs!r}."
            )
    return built


def inherit(objective: "Savable", stored: StoredModel) -> None:
    """Tell the objective which classes and images the stored weights have learned from.

    Says so where it cannot be told whether a test image is one of those.
    """
    classes = {*objective.trained_classes, *stored.trained_classes}
    objective.trained_classes = tuple(sorted(classes))
    objective.inherited_images = stored.trained_images.numpy()
    why = _not_comparable(stored, objective.spec)
    if why:
        logger.warning(
            "whether test images are among those that '%s' was trained on cannot be told: %s",
            stored.path,
            why,
        )


def _not_comparable(stored: StoredModel, spec: DataSpec) -> str:
    """Why the stored digests of images say nothing of images of today; "" where they do."""
    there = stored.images
    if len(stored.trained_images) == 0:
        return "it was saved without digests of them"
    if spec.image_size != there.size:
        return f"its images were {there.size}, and today's are {spec.image_size}"
    if there.resize is None and spec.resize is not None:
        return (
            "it is of an earlier format, which does not tell how its images were resized (today "
            f"FashionDataset.resize = '{spec.resize}')"
        )
    return ""


def reused_encoder(
    stored: StoredModel, objective: str, bound: Factory | None, **sizes: Any
) -> Encoder:
    """The stored encoder with its weights, rebuilt, or built by the bound factory if that agrees.

    objective: its name in bindings, for errors. sizes: in_channels, image_size. What the bound one
    reads out of the weights (Encoder.read_out) may be other features. Raises UserError where it is
    another net, a tensor does not fit, or what is to be read was not stored.
    """
    place = str(stored.path)
    if bound is None:
        encoder = build_encoder(stored.encoder, place, **sizes)
    else:
        # published weights would be fetched only to be overwritten
        none = getattr(bound, "initialisation", {})
        encoder = built_encoder(objective, bound, **sizes, **none)
        if encoder.name != stored.encoder.name or _changed(stored, encoder) - encoder.read_out:
            here = described(encoder.name, encoder.arguments)
            there = described(stored.encoder.name, stored.encoder.arguments)
            raise UserError(
                f"{objective}.encoder is {here}, but '{place}' holds {there}: bind "
                f"{objective}.encoder = None to rebuild the stored one, or another "
                f"{objective}.saved_model_path."
            )
    state = stored.encoder.state
    if read_otherwise(stored, encoder):  # what is read no more is left out
        state = {name: state[name] for name in encoder.state_dict() if name in state}
    fill(encoder, "encoder", dataclasses.replace(stored.encoder, state=state), place)
    return encoder


def _changed(stored: StoredModel, encoder: Encoder) -> set[str]:
    """The arguments, but for the image size, in which an encoder of that class is another."""
    accepted = inspect.signature(type(encoder)).parameters.values()
    # a model of an earlier version lacks what has a default since
    theirs = {each.name: each.default for each in accepted} | stored.encoder.arguments
    mine = encoder.arguments
    names = (mine.keys() | stored.encoder.arguments.keys()) - {"image_size"}
    return {name for name in names if mine.get(name) != theirs.get(name)}


def read_otherwise(stored: StoredModel, encoder: Encoder) -> str:
    """What of the features is other than what the stored model's encoder gave; "" where nothing is.

    Whatever was trained on those is of no use behind others, be there as many of them.
    """
    names = sorted(_changed(stored, encoder) & encoder.read_out)
    return ", ".join(f"{encoder.name}.{name} is {encoder.arguments[name]!r}" for name in names)


def described(name: str, arguments: dict[str, Any]) -> str:
    """A part as a user would write its construction, without the image size."""
    shown = (f"{k}={v!r}" for k, v in sorted(arguments.items()) if k != "image_size")
    return f"{name}({', '.join(shown)})"
