import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from fewshot.augmentation.geometry import RandomAffine, RandomResizedCrop, RandomRotation
from fewshot.augmentation.resampling import affine_inverse, resize_weights, separable, warp
from fewshot.seeding import KeyedRandom
from tests.augmentation.test_transforms import keys, pictures


@pytest.mark.parametrize("new_size", [(12, 10), (24, 17), (5, 4)])
@pytest.mark.parametrize("box", [(0, 0, 12, 10), (2, 3, 7, 5), (5, 1, 1, 8)])
def test_resized_crop_equals_torchvision(box, new_size):
    images = pictures(2).float()
    top, left, height, width = (torch.full((2,), float(value)) for value in box)
    ours = separable(
        images,
        resize_weights(top, height, 12, new_size[0]),
        resize_weights(left, width, 10, new_size[1]),
    )
    theirs = tv.resized_crop(images, *box, list(new_size), antialias=True)
    assert torch.allclose(ours, theirs, atol=1e-2)


@pytest.mark.parametrize(
    ("angle", "shift", "scale", "shear"),
    [(30, (0, 0), 1.0, 0), (0, (2, -1), 1.0, 0), (-20, (1, 3), 1.3, 15), (75, (0, 1), 0.6, -30)],
)
def test_warp_equals_torchvision(angle, shift, scale, shear):
    images = pictures(2).float()
    inverse = affine_inverse(*(torch.full((2,), float(v)) for v in (angle, *shift, scale, shear)))
    ours = warp(images, inverse)
    theirs = tv.affine(
        images,
        angle,
        list(shift),
        scale,
        [shear, 0],
        interpolation=InterpolationMode.BILINEAR,
    )
    assert torch.allclose(ours, theirs, atol=0.05)
    # torchvision blends a fill twice at the border; a white fill is a black one of the negative.
    assert torch.allclose(warp(images, inverse, 255), 255 - warp(255 - images, inverse), atol=0.05)


def test_no_change_at_zero_strength():
    images = pictures(3)
    for still in (RandomRotation(0), RandomAffine(0, 0, (1, 1), 0)):
        assert torch.allclose(still(images, KeyedRandom(keys(3))), images.float(), atol=1e-2)
    whole = RandomResizedCrop(scale=(1, 1), ratio=(0.1, 10))
    square = pictures(3, height=8, width=8)
    assert torch.allclose(whole(square, KeyedRandom(keys(3))), square.float(), atol=1e-2)


def test_a_rotation_keeps_the_centre_and_fills_the_corners():
    images = torch.full((200, 1, 21, 21), 50, dtype=torch.uint8)
    turned = RandomRotation(degrees=45, fill=200)(images, KeyedRandom(keys(200)))
    assert torch.allclose(turned[:, :, 10, 10], torch.tensor(50.0), atol=1e-2)
    corner = turned[:, 0, 0, 0]
    assert 0.9 < float((corner > 100).float().mean()) <= 1
    assert corner.max() <= 200.01


def test_resized_crops_show_the_stated_share():
    ramp = torch.arange(64.0).view(1, 1, 1, 64).expand(500, 1, 64, 64)
    crop = RandomResizedCrop(scale=(0.25, 0.25), ratio=(1, 1))
    cropped = crop(ramp, KeyedRandom(keys(500)))
    shown = cropped[..., -1] - cropped[..., 0]  # half of the width's values
    assert torch.allclose(shown, torch.tensor(31.0), atol=1e-2)
    left = cropped[:, 0, 0, 0]
    assert left.min() < 2
    assert left.max() > 30
    assert abs(float(left.mean()) - 16) < 1.5


def test_a_warp_has_whole_coordinates_where_products_are_halved():
    images = torch.rand(2, 3, 64, 64) * 255
    zero, one = torch.zeros(2), torch.ones(2)
    inverse = affine_inverse(torch.tensor([17.0, -29.0]), zero, zero, one, zero)
    wanted = warp(images, inverse)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(warp(images, inverse), wanted)
