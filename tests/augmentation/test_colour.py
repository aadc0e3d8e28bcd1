import colorsys

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from fewshot.augmentation.colour import (
    ColourJitter,
    GaussianBlur,
    RandomGrayscale,
    luma,
    shift_hue,
)
from fewshot.seeding import KeyedRandom
from tests.augmentation.test_transforms import keys, pictures


class Fixed(KeyedRandom):
    """Draws the upper end of every range, and True."""

    def uniform(self, low=0.0, high=1.0):
        return torch.full((len(self),), float(high))

    def bernoulli(self, probability):
        return torch.ones(len(self), dtype=torch.bool)


@pytest.mark.parametrize(
    ("strengths", "theirs", "factor"),
    [
        ({"brightness": 0.3}, tv.adjust_brightness, 1.3),
        ({"contrast": 0.3}, tv.adjust_contrast, 1.3),
        ({"saturation": 0.3}, tv.adjust_saturation, 1.3),
        ({"hue": 0.2}, tv.adjust_hue, 0.2),
    ],
)
def test_each_part_equals_torchvision(strengths, theirs, factor):
    images = pictures(6)
    none = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}
    ours = ColourJitter(**none | strengths)(images, Fixed(keys(6)))
    expected = theirs(images.float() / 255, factor) * 255
    assert torch.allclose(ours, expected, atol=0.1)  # their grey weights add to 0.9999


def test_hue_against_the_standard_library():
    images = pictures(1).float()
    shifted = shift_hue(images, torch.tensor(0.3).view(1, 1, 1, 1))
    for y in range(3):
        for x in range(3):
            h, s, v = colorsys.rgb_to_hsv(*images[0, :, y, x].tolist())
            expected = torch.tensor(colorsys.hsv_to_rgb((h + 0.3) % 1, s, v))
            assert torch.allclose(shifted[0, :, y, x], expected, atol=1e-2)


def test_grey_images_change_in_brightness_and_contrast_only():
    images = pictures(4, channels=1)
    jitter = ColourJitter(brightness=0, contrast=0, saturation=0.9, hue=0.5)
    assert torch.allclose(jitter(images, KeyedRandom(keys(4))), images.float(), atol=1e-3)
    assert RandomGrayscale(1.0)(images, KeyedRandom(keys(4))) is images


def test_grayscale_equals_torchvision_and_its_share():
    images = pictures(1000, height=2, width=2)
    greyed = RandomGrayscale(0.25)(images, KeyedRandom(keys(1000)))
    grey = (greyed == greyed[:, :1]).flatten(1).all(1)
    assert abs(float(grey.float().mean()) - 0.25) < 0.05
    theirs = tv.rgb_to_grayscale(images.float()[grey])
    assert torch.allclose(luma(images.float()[grey]), theirs, atol=0.1)
    assert torch.equal(greyed[~grey], images[~grey].float())


def test_blur_equals_torchvision_inside_and_keeps_a_flat_image():
    images = pictures(3, height=24, width=20)
    blurred = GaussianBlur(sigma=(1.0, 1.0))(images, KeyedRandom(keys(3)))
    theirs = tv.gaussian_blur(images.float(), [13, 13], [1.0, 1.0])
    assert torch.allclose(blurred[..., 6:-6, 6:-6], theirs[..., 6:-6, 6:-6], atol=0.05)
    flat = torch.full((2, 1, 9, 9), 77, dtype=torch.uint8)
    assert torch.allclose(GaussianBlur()(flat, KeyedRandom(keys(2))), flat.float(), atol=1e-3)
