"""Resampling a batch of images, each with its own geometry, as a few large tensor operations."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from fewshot.precision import full_precision


def resize_weights(start: Tensor, length: Tensor, size: int, new_size: int) -> Tensor:
    """How much each of `size` pixels counts in each of `new_size`: float [B, new_size, size].

    Resamples start .. start + length (float [B], pixels) of one axis by the triangle filter,
    widened when shrinking (antialiasing); pixels outside the stretch count nothing.
    """
    step = (length / new_size).view(-1, 1, 1)
    start, end = start.view(-1, 1, 1), (start + length).view(-1, 1, 1)
    centres = start + (torch.arange(new_size, device=start.device).view(1, -1, 1) + 0.5) * step
    pixels = torch.arange(size, device=start.device).view(1, 1, -1) + 0.5
    weights = (1 - (pixels - centres).abs() / step.clamp(min=1)).clamp(min=0)
    weights = weights * ((pixels > start) & (pixels < end))
    return weights / weights.sum(-1, keepdim=True)


def gaussian_weights(sigma: Tensor, size: int) -> Tensor:
    """A blur along one axis: float [B] (pixels) -> [B, size, size], normalised at the borders."""
    pixels = torch.arange(size, device=sigma.device, dtype=sigma.dtype)
    distance = pixels.view(1, -1, 1) - pixels.view(1, 1, -1)
    # Beyond 5 sigma nothing counts: tiny weights are slow to compute and, denormal, to multiply.
    exponent = -0.5 * (distance / sigma.view(-1, 1, 1)) ** 2
    weights = torch.exp(exponent.clamp(min=-12.5)) * (exponent > -12.5)
    return weights / weights.sum(-1, keepdim=True)


def separable(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Mix rows, then columns: [B, C, H, W], [B, h, H], [B, w, W] -> float32 [B, C, h, w].

    Matrix products on all channels at once; kept out of autocast, whose 8 bits of mantissa would
    posterise pixels.
    """
    n, channels, height, width = images.shape
    new_height, new_width = rows.shape[1], columns.shape[1]
    with torch.autocast(images.device.type, enabled=False):
        wide = images.float().reshape(n, channels * height, width) @ columns.transpose(1, 2)
        tall = wide.view(n, channels, height, new_width).transpose(1, 2).flatten(2)
        mixed = rows @ tall
    return mixed.view(n, new_height, channels, new_width).transpose(1, 2).contiguous()


def affine_inverse(
    angle: Tensor, shift_x: Tensor, shift_y: Tensor, scale: Tensor, shear: Tensor
) -> Tensor:
    """Where each output pixel comes from: five float [B] -> [B, 2, 3] in pixels from the centre.

    The image is sheared along x, rotated clockwise (both in degrees), scaled, then shifted.
    """
    angle, slant = torch.deg2rad(angle), torch.tan(torch.deg2rad(shear))
    cos, sin = torch.cos(angle), torch.sin(angle)
    # The inverse of scale * [[cos, -cos * slant - sin], [sin, -sin * slant + cos]]: its
    # determinant is scale squared.
    a, b = (cos - sin * slant) / scale, (sin + cos * slant) / scale
    c, d = -sin / scale, cos / scale
    offset_x, offset_y = -(a * shift_x + b * shift_y), -(c * shift_x + d * shift_y)
    return torch.stack([a, b, offset_x, c, d, offset_y], dim=1).view(-1, 2, 3)


@lru_cache(maxsize=32)
def half_size(height: int, width: int, device: torch.device) -> Tensor:
    """(width / 2, height / 2) on the device: moved there once, not at every batch."""
    return torch.tensor([width / 2, height / 2], device=device)


def warp(images: Tensor, inverse: Tensor, fill: float = 0) -> Tensor:
    """Bilinear warp: [B, C, H, W], [B, 2, 3] (see `affine_inverse`) -> float32 [B, C, H, W].

    Kept out of autocast and TF32, whose 8 and 10 bits of mantissa would put pixels half a pixel and
    an eighth of one off.
    """
    height, width = images.shape[2:]
    half = half_size(height, width, images.device)
    # From pixels to affine_grid's coordinates, in which the image spans -1 .. 1.
    linear = inverse[:, :, :2] * half / half.view(2, 1)
    offset = inverse[:, :, 2:] / half.view(2, 1)
    with full_precision(images):
        grid = F.affine_grid(
            torch.cat([linear, offset], dim=2).float(), list(images.shape), align_corners=False
        )
    # Outside the image grid_sample reads 0: shifting by the fill makes that 0 the fill.
    return F.grid_sample(images.float() - fill, grid, align_corners=False) + fill
