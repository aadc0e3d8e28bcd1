"""What every encoder is: images to features, rebuilt from its name and arguments."""

import inspect
from typing import Any, ClassVar

from torch import nn

from fewshot.encoders.recorded import Recorded
from fewshot.errors import UserError


class Encoder(Recorded):
    """Images float [B, C, H, W] -> features float [B, num_features].

    A subclass is registered with gin, takes in_channels and image_size (height, width) as keyword
    arguments, and sets `num_features`. read_out: its arguments that only choose what features are
    read out of the same weights, or of fewer: those of a stored encoder may be bound anew.
    """

    read_out: ClassVar[frozenset[str]] = frozenset()
    num_features: int

    def blocks(self) -> list[nn.Module]:
        """The parts in the order images pass them, which `frozen = N` counts from the first."""
        return list(self.children())


def built_encoder(owner: str, factory: Any, **sizes: Any) -> Encoder:
    """What the factory bound to `owner.encoder` gives; sizes: in_channels, image_size.

    Raises UserError for what is no encoder.
    """
    wrong = UserError(
        f"{owner}.encoder is {getattr(factory, '__name__', repr(factory)[:60])}, which is no "
        f"encoder: bind one without quotes and parentheses, e.g. {owner}.encoder = @SmallResNet."
    )
    other = inspect.isclass(factory) and not issubclass(factory, Encoder)
    if other or not callable(factory) or isinstance(factory, nn.Module):
        raise wrong
    built = factory(**sizes)
    if not isinstance(built, Encoder):
        raise wrong
    return built


def too_small(name: str, image_size: tuple[int, int], least: int) -> UserError:
    """The error for images that an encoder would shrink to nothing."""
    return UserError(
        f"{name} needs images of at least {least}x{least} pixels, not {image_size}: bind "
        f"Inputs.size = ({least}, {least}), FashionDataset.image_size, or a smaller encoder."
    )
