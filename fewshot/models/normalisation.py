"""From stored pixels to what an encoder sees: size, channels and scale of whole batches."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.errors import UserError

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601


class Normalisation(nn.Module):
    """Pixels 0 .. 255 [B, C, H, W] -> (pixel / 255 - mean) / std, [B, channels, *size].

    size: (height, width); larger images are cropped at the centre, smaller ones padded with 0
    (black, the background of Fashion-MNIST). channels: grey is replicated, RGB becomes BT.601
    luminance. mean, std: in [0, 1], a value a channel, std above 0.
    """

    scale: Tensor
    shift: Tensor
    luminance: Tensor

    def __init__(
        self, size: tuple[int, int], channels: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.size, self.channels = size, channels
        self.mean, self.std = tuple(mean), tuple(std)
        # (pixel / 255 - mean) / std as one multiply-add
        scale = [1 / (255 * s) for s in self.std]
        shift = [-m / s for m, s in zip(self.mean, self.std, strict=True)]
        shape = (1, channels, 1, 1)
        self.register_buffer("scale", torch.tensor(scale).view(shape), persistent=False)
        self.register_buffer("shift", torch.tensor(shift).view(shape), persistent=False)
        # on the device with the others: made anew for every batch, it would be waited for there
        luminance = torch.tensor(LUMINANCE).view(1, 3, 1, 1)
        self.register_buffer("luminance", luminance, persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """Images 0 .. 255 [B, C, H, W] -> float32 [B, channels, *size], channels last in memory.

        Raises UserError for channels that cannot be converted.
        """
        if images.shape[-2:] != self.size:
            images = _fit(images, self.size)
        if images.shape[1] != self.channels:
            images = self._convert_channels(images)
        images = images.to(torch.float32, memory_format=torch.channels_last)
        return torch.addcmul(self.shift, images, self.scale)

    def _convert_channels(self, images: Tensor) -> Tensor:
        have = images.shape[1]
        if have == 1:
            return images.expand(-1, self.channels, -1, -1)
        if have == 3 and self.channels == 1:
            return (images * self.luminance).sum(1, keepdim=True)
        raise UserError(
            f"images have {have} channels, but the encoder was built for {self.channels}: bind "
            f"FashionDataset.channels = {self.channels}."
        )

    def denormalise(self, images: Tensor) -> Tensor:
        """What `normalise` gave, back to pixels in [0, 1] (to look at: nothing is clipped)."""
        return (images - self.shift) / (255 * self.scale)

    def extra_repr(self) -> str:
        """What print() shows."""
        return f"size={self.size}, channels={self.channels}, mean={self.mean}, std={self.std}"


def _fit(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Centre-crop what is larger, pad with 0 what is smaller."""
    tops = [(have - want) // 2 for have, want in zip(images.shape[-2:], size, strict=True)]
    images = images[
        ...,
        max(tops[0], 0) : max(tops[0], 0) + size[0],
        max(tops[1], 0) : max(tops[1], 0) + size[1],
    ]
    missing = [want - have for have, want in zip(images.shape[-2:], size, strict=True)]
    if not any(missing):
        return images
    up, left = missing[0] // 2, missing[1] // 2
    return F.pad(images, (left, missing[1] - left, up, missing[0] - up))
