"""Augmentations of colour and sharpness: jitter, greyscale, blur."""

from collections.abc import Sequence

import gin
import torch
from torch import Tensor

from fewshot.augmentation.resampling import gaussian_weights, separable
from fewshot.augmentation.transforms import check_probability, check_range, per_image
from fewshot.errors import UserError
from fewshot.seeding import KeyedRandom


def luma(images: Tensor) -> Tensor:
    """Brightness as seen (ITU-R 601): float [B, 3, H, W] -> [B, 1, H, W]; other images' mean."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    red, green, blue = images.split(1, dim=1)
    weighted: Tensor = (0.299 * red).add_(green, alpha=0.587).add_(blue, alpha=0.114)
    return weighted


def shift_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue of float [B, 3, H, W] in 0 .. 255 by a share of the colour circle, [B, 1, 1, 1].

    Through hue, saturation and value (https://en.wikipedia.org/wiki/HSL_and_HSV).
    """
    red, green, blue = images.split(1, dim=1)
    value = images.amax(1, keepdim=True)
    chroma = value - images.amin(1, keepdim=True)
    safe = chroma.clamp(min=1e-6)
    sixths = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    sixths += 6 * turn
    # Each channel lies below `value` by the chroma times a trapezoid over the circle.
    channels = []
    for phase in (5, 3, 1):
        place = (sixths + phase).remainder_(6)
        channels.append(value - torch.minimum(place, 4 - place).clamp_(0, 1).mul_(chroma))
    return torch.cat(channels, dim=1)


@gin.register
class ColourJitter:
    """Random brightness, contrast, saturation and hue, in this order.

    brightness, contrast, saturation: the factor is drawn from [1 - x, 1 + x), at least 0; hue: the
    turn from [-x, x), a share of the colour circle of at most 0.5; probability: of changing an
    image at all. Grey images change in brightness and contrast only.
    """

    def __init__(
        self,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        hue: float = 0.1,
        probability: float = 1.0,
    ) -> None:
        strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        for name, strength in strengths.items():
            if strength < 0:
                raise UserError(f"ColourJitter.{name} is {strength}: bind 0 or more.")
        if not 0 <= hue <= 0.5:
            raise UserError(f"ColourJitter.hue is {hue}: bind a turn between 0 and 0.5.")
        self.strengths = strengths
        self.hue = hue
        self.probability = check_probability("ColourJitter.probability", probability)

    def __call__(self, images: Tensor, random: KeyedRandom) -> Tensor:
        """[B, C, H, W] -> float32 of the same shape."""
        original = images.float()
        brightness, contrast, saturation = (
            per_image(random.uniform(max(0.0, 1 - strength), 1 + strength))
            for strength in self.strengths.values()
        )
        turn = per_image(random.uniform(-self.hue, self.hue))
        changed = per_image(random.bernoulli(self.probability))
        jittered = (original * brightness).clamp_(0, 255)
        jittered = _blend(jittered, luma(jittered).mean((2, 3), keepdim=True), contrast)
        if images.shape[1] == 3:
            jittered = _blend(jittered, luma(jittered), saturation)
            jittered = shift_hue(jittered, turn) if self.hue > 0 else jittered
        return torch.where(changed, jittered, original)


def _blend(images: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return torch.lerp(other.expand_as(images), images, share).clamp_(0, 255)


@gin.register
class RandomGrayscale:
    """Replace an image by its brightness, in every channel, with the given probability."""

    def __init__(self, probability: float = 0.1) -> None:
        self.probability = check_probability("RandomGrayscale.probability", probability)

    def __call__(self, images: Tensor, random: KeyedRandom) -> Tensor:
        """[B, C, H, W] -> float32 of the same shape; grey images pass as they are."""
        if images.shape[1] == 1:
            return images
        greyed = per_image(random.bernoulli(self.probability))
        original = images.float()
        return torch.where(greyed, luma(original), original)


@gin.register
class GaussianBlur:
    """Blur with a width drawn from `sigma` (pixels), with the given probability.

    Outside the image there is nothing: at the border the weights of the pixels inside add to 1.
    """

    def __init__(self, sigma: Sequence[float] = (0.1, 2.0), probability: float = 1.0) -> None:
        self.sigma = check_range("GaussianBlur.sigma", sigma, 1e-2)
        self.probability = check_probability("GaussianBlur.probability", probability)

    def __call__(self, images: Tensor, random: KeyedRandom) -> Tensor:
        """[B, C, H, W] -> float32 of the same shape."""
        sigma = random.uniform(*self.sigma)
        rows = gaussian_weights(sigma, images.shape[2])
        columns = gaussian_weights(sigma, images.shape[3])
        blurred = per_image(random.bernoulli(self.probability))
        return torch.where(blurred, separable(images, rows, columns), images.float())
