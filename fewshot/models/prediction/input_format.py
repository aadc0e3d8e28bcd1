"""How photos become the images that a model takes."""

import dataclasses
import logging

from fewshot.data.images.decode import ImageFormat, image_format
from fewshot.errors import UserError
from fewshot.models.extras import Extras
from fewshot.models.load import SavedModel

logger = logging.getLogger("fewshot")

PHOTOS = ("auto", "as-they-are", "on-black")
FASHION_MNIST = frozenset(
    (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )
)


def input_format(module: SavedModel, extras: Extras, photos: str) -> ImageFormat:
    """The format of a model's images; photos: one of PHOTOS, what is done to those it is asked of.

    "auto" turns photos into grey items on black where the run noted that its training images were
    such, and where an earlier run did not note it, for grey models of Fashion-MNIST's classes.
    Raises UserError for another word, and where images that are not square are to be on black.
    """
    if photos not in PHOTOS:
        raise UserError(f"photos is {photos!r}: give one of {', '.join(PHOTOS)}.")
    channels = module.image_channels or module.stored.inputs.channels
    if module.resize is None:
        logger.warning(
            "'%s' is of an earlier format, which does not tell how its images were resized: photos "
            "are stretched",
            module.stored.path,
        )
    found = image_format(module.image_size, channels, module.resize or "stretch")
    if photos == "as-they-are" or (photos == "auto" and not _trained_on_black(module, extras)):
        return found
    height, width = found.size
    if height != width:
        raise UserError(
            f"'{module.stored.path}' takes images of {height} x {width}, and items on black fill a "
            "square: ask for photos as-they-are."
        )
    return dataclasses.replace(found, items_on_black=True)


def _trained_on_black(module: SavedModel, extras: Extras) -> bool:
    if module.image_size[0] != module.image_size[1]:
        return False
    if extras.items_on_black is not None:
        return extras.items_on_black
    if (module.image_channels or module.stored.inputs.channels) != 1:
        return False
    names = set(module.stored.trained_classes)
    return bool(names) and names <= FASHION_MNIST
