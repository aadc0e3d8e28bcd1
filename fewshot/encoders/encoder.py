"""What every encoder is: images to features, rebuilt from its name and arguments."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from fewshot.encoders.recorded import Recorded, rebuild
from fewshot.errors import UserError


class Encoder(Recorded, nn.Module):
    """Images float [B, C, H, W] -> features float [B, num_features].

    A subclass is registered with gin, takes in_channels and image_size (height, width) as keyword
    arguments, and sets `num_features`.
    """

    num_features: int

    def blocks(self) -> list[nn.Module]:
        """The parts in the order images pass them, which `frozen = N` counts from the first."""
        return list(self.children())


def build_encoder(name: str, arguments: Mapping[str, Any]) -> Encoder:
    """The encoder of that registered name and those recorded arguments, with random weights."""
    encoder = rebuild("encoder", name, arguments)
    if not isinstance(encoder, Encoder):
        raise UserError(
            f"the saved model's encoder {name} is registered, but as something that is no Encoder: "
            "rename yours."
        )
    return encoder


def too_small(name: str, image_size: tuple[int, int], least: int) -> UserError:
    """The error for images that an encoder would shrink to nothing."""
    return UserError(
        f"{name} needs images of at least {least}x{least} pixels, not {image_size}: bind "
        f"Inputs.size = ({least}, {least}), FashionDataset.image_size, or a smaller encoder."
    )
