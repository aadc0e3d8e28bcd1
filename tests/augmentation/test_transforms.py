import math
from collections import Counter

import pytest
import torch
from torch import nn
from torchvision.transforms.v2 import functional as tv

from fewshot.augmentation.colour import ColourJitter, GaussianBlur, RandomGrayscale
from fewshot.augmentation.erasing import Cutout, RandomErasing
from fewshot.augmentation.geometry import RandomAffine, RandomResizedCrop, RandomRotation
from fewshot.augmentation.transforms import HorizontalFlip, OneOf, RandomCrop, select, windows
from fewshot.errors import UserError
from fewshot.seeding import KeyedRandom
from fewshot.training.watching import watched

SIX = [HorizontalFlip, RandomCrop, RandomResizedCrop, ColourJitter, RandomRotation, RandomAffine]
EXACT = [
    HorizontalFlip(),
    RandomCrop(padding=3),
    RandomCrop(padding=2, reflect=True),
    RandomCrop(padding=1, size=(7, 5), fill=255),
    RandomCrop(padding=0, size=(7, 5), reflect=True),
    RandomErasing(probability=0.7),
    RandomErasing(value="mean"),
    RandomErasing(value=9),
    Cutout(size=4),
]
INTERPOLATING = [
    RandomResizedCrop(),
    RandomResizedCrop(size=(6, 15)),
    RandomRotation(),
    RandomAffine(),
    ColourJitter(probability=0.8),
    GaussianBlur(probability=0.5),
    OneOf(SIX),
]


def keys(n, seed=0):
    return torch.stack([torch.full((n,), seed), torch.zeros(n).long(), torch.arange(n)], dim=1)


def pictures(n, channels=3, height=12, width=10):
    generator = torch.Generator().manual_seed(n)
    shape = (n, channels, height, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def name(transform):
    return type(transform).__name__


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("transform", [*EXACT, *INTERPOLATING, RandomGrayscale(0.5)], ids=name)
def test_an_image_is_changed_alike_in_whatever_batch_it_comes(transform, channels):
    images, key = pictures(9, channels), keys(9)
    whole = transform(images, KeyedRandom(key)).float()
    alone = torch.cat(
        [transform(images[i : i + 1], KeyedRandom(key[i : i + 1])).float() for i in range(9)]
    )
    assert torch.allclose(whole, alone, atol=1e-3)
    assert torch.equal(whole, transform(images, KeyedRandom(key)).float())


@pytest.mark.parametrize("transform", EXACT, ids=name)
def test_bytes_stay_bytes_and_floats_get_the_same_values(transform):
    images = pictures(16)
    on_bytes = transform(images, KeyedRandom(keys(16)))
    on_floats = transform(images.float(), KeyedRandom(keys(16)))
    assert on_bytes.dtype == torch.uint8
    assert on_floats.dtype == torch.float32
    assert (on_bytes.float() - on_floats).abs().max() < 1  # a mean is rounded down in bytes


@pytest.mark.parametrize("transform", [*INTERPOLATING, RandomGrayscale(0.5)], ids=name)
def test_interpolated_values_are_floats_in_the_pixels_range(transform):
    changed = transform(pictures(16), KeyedRandom(keys(16)))
    assert changed.dtype == torch.float32
    assert changed.min() >= -1e-3
    assert changed.max() <= 255 + 1e-3


@pytest.mark.parametrize(
    "transform", [t for t in [*EXACT, *INTERPOLATING] if name(t) != "OneOf"], ids=name
)
def test_another_seed_draws_otherwise(transform):
    images = pictures(16)
    first, second = (transform(images, KeyedRandom(keys(16, seed))).float() for seed in (0, 1))
    assert not torch.allclose(first, second, atol=1)


def test_flip_mirrors_as_torchvision_does_and_half_of_the_images():
    images = pictures(2000, channels=1, height=4, width=4)
    flipped = HorizontalFlip()(images, KeyedRandom(keys(2000)))
    count = 0
    for before, after in zip(images, flipped, strict=True):
        mirrored = torch.equal(after, tv.horizontal_flip(before))
        assert mirrored or torch.equal(after, before)
        count += mirrored
    assert abs(count / 2000 - 0.5) < 0.04
    assert torch.equal(HorizontalFlip(0.0)(images, KeyedRandom(keys(2000))), images)


def test_select_takes_bytes_exactly():
    old, new = pictures(1).flatten(), pictures(2)[0].flatten()
    mask = torch.arange(len(old)) % 2 == 0
    assert torch.equal(select(mask, new, old), torch.where(mask, new, old))


def test_windows_against_a_loop():
    images = pictures(5)
    top, left = torch.tensor([0, 1, 2, 3, 5]), torch.tensor([0, 3, 1, 2, 3])
    cut = windows(images, top, left, 7, 7)
    for i in range(5):
        assert torch.equal(cut[i], images[i, :, top[i] : top[i] + 7, left[i] : left[i] + 7])


@pytest.mark.parametrize("reflect", [False, True])
def test_crop_places_are_windows_of_the_padded_image_and_uniform(reflect):
    image = torch.arange(36, dtype=torch.uint8).view(1, 1, 6, 6) + 1
    padding = [1, 1, 1, 1]
    padded = tv.pad(image, padding, padding_mode="reflect" if reflect else "constant")
    expected = {
        tuple(padded[0, 0, y : y + 6, x : x + 6].flatten().tolist()): (y, x)
        for y in range(3)
        for x in range(3)
    }
    crop = RandomCrop(padding=1, reflect=reflect)
    cropped = crop(image.expand(4500, -1, -1, -1), KeyedRandom(keys(4500)))
    places = Counter(expected[tuple(window.flatten().tolist())] for window in cropped)
    assert len(places) == 9
    assert all(abs(count - 500) < 100 for count in places.values())


def test_crop_refuses_what_does_not_fit():
    with pytest.raises(UserError, match=r"RandomCrop.size is \(20, 20\).*\(14, 12\).*lower it"):
        RandomCrop(padding=1, size=(20, 20))(pictures(1), KeyedRandom(keys(1)))
    with pytest.raises(UserError, match=r"RandomCrop.padding is 10, too wide to reflect"):
        RandomCrop(padding=10, reflect=True)(pictures(1), KeyedRandom(keys(1)))


def test_one_of_makes_one_change_an_image_each_as_often():
    images = torch.full((3000, 1, 4, 4), 100, dtype=torch.uint8)
    painters = [lambda v=v: lambda x, random: torch.full_like(x, v) for v in (1, 2, 3)]
    painted = OneOf(painters)(images, KeyedRandom(keys(3000)))
    assert (painted == painted[:, :, :1, :1]).all()
    shares = Counter(painted[:, 0, 0, 0].tolist())
    assert sorted(shares) == [1, 2, 3]
    assert all(abs(count - 1000) < 120 for count in shares.values())


def test_one_of_all_at_once_is_one_of_some_at_a_time():
    transforms, images = OneOf(SIX), pictures(40)
    random = KeyedRandom(keys(40))
    choice, own = random.integers(len(SIX)), random.integers(1 << 62).unsqueeze(1)
    some, at_once = (
        part(images, choice, own) for part in (transforms._of_some, transforms._of_all)
    )
    torch.testing.assert_close(at_once, some, rtol=0, atol=1e-3)
    assert torch.equal(transforms(images, KeyedRandom(keys(40))), some)
    reasons = []
    with watched(nn.Module(), torch.device("cpu"), reasons):
        transforms._of_all(images, choice, own)
    assert reasons == []


def test_one_of_refuses_no_choice_and_changed_sizes():
    with pytest.raises(UserError, match=r"OneOf.transforms is empty"):
        OneOf([])
    smaller = OneOf([lambda: RandomCrop(padding=0, size=(3, 3))])
    with pytest.raises(UserError, match=r"RandomCrop turns \[3, 12, 10\] into \[3, 3, 3\]"):
        smaller(pictures(2), KeyedRandom(keys(2)))
    with pytest.raises(UserError, match=r"RandomCrop turns \[3, 12, 10\] into \[3, 3, 3\]"):
        smaller._of_all(pictures(2), torch.zeros(2), torch.zeros(2, 1, dtype=torch.int64))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: HorizontalFlip(1.5), "HorizontalFlip.probability is 1.5: bind a probability"),
        (lambda: RandomCrop(padding=-1), "RandomCrop.padding is -1"),
        (lambda: RandomErasing(area=(0.5, 0.1)), r"RandomErasing.area is \(0.5, 0.1\)"),
        (lambda: RandomErasing(value="black"), "RandomErasing.value is 'black': bind 'random'"),
        (lambda: RandomErasing(value=300), "RandomErasing.value is 300: bind a pixel value"),
        (lambda: Cutout(size=0), "Cutout.size is 0"),
        (lambda: RandomResizedCrop(scale=(0.1, 2)), "at least 0.0001 and at most 1"),
        (lambda: RandomRotation(-5), "RandomRotation.degrees is -5: bind 0 or more"),
        (lambda: RandomAffine(shear=90), "RandomAffine.shear is 90: bind less than 90"),
        (lambda: ColourJitter(contrast=-1), "ColourJitter.contrast is -1"),
        (lambda: ColourJitter(hue=0.6), "ColourJitter.hue is 0.6: bind a turn between 0 and 0.5"),
        (lambda: GaussianBlur(sigma=(0, 1)), r"GaussianBlur.sigma is \(0, 1\)"),
    ],
)
def test_bad_bindings_are_named(build, message):
    with pytest.raises(UserError, match=message):
        build()


def test_colours_stay_finite_at_the_strongest():
    extreme = torch.zeros(4, 3, 4, 4, dtype=torch.uint8)
    extreme[1] = 255
    extreme[2, 0] = 255
    jitter = ColourJitter(brightness=1, contrast=1, saturation=1, hue=0.5)
    changed = jitter(extreme, KeyedRandom(keys(4)))
    assert math.isfinite(changed.sum())
