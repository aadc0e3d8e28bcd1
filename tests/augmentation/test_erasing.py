import torch

from fewshot.augmentation.erasing import Cutout, RandomErasing
from fewshot.augmentation.random_boxes import random_boxes
from fewshot.seeding import KeyedRandom
from tests.augmentation.test_transforms import keys, pictures


def changed_box(before, after):
    """(top, left, height, width) of what differs, and whether all of it does."""
    differs = (before != after).any(0)
    rows, columns = differs.any(1).nonzero().squeeze(1), differs.any(0).nonzero().squeeze(1)
    top, left = int(rows[0]), int(columns[0])
    height, width = int(rows[-1]) - top + 1, int(columns[-1]) - left + 1
    full = bool(differs[top : top + height, left : left + width].all())
    return (top, left, height, width), full


def test_a_number_fills_one_box_of_the_stated_area_and_aspect():
    images = torch.zeros(400, 1, 30, 20, dtype=torch.uint8)
    erasing = RandomErasing(probability=1.0, area=(0.1, 0.3), aspect=(0.5, 2.0), value=200)
    areas = []
    for before, after in zip(images, erasing(images, KeyedRandom(keys(400))), strict=True):
        (_, _, height, width), full = changed_box(before, after)
        assert full
        assert set(after.unique().tolist()) == {0, 200}
        areas.append(height * width / 600)
        assert 0.4 < width / height < 2.4  # rounded to pixels
    assert 0.08 < min(areas) < 0.12
    assert 0.28 < max(areas) < 0.33


def test_the_share_of_erased_images_is_the_probability():
    images = pictures(2000, channels=1)
    erased = RandomErasing(probability=0.3)(images, KeyedRandom(keys(2000)))
    share = (erased != images).flatten(1).any(1).float().mean()
    assert abs(float(share) - 0.3) < 0.04


def test_noise_is_uniform_and_differs_between_images():
    images = torch.zeros(300, 1, 16, 16, dtype=torch.uint8)
    erased = RandomErasing(probability=1.0, area=(1.0, 1.0), aspect=(1, 1))(
        images, KeyedRandom(keys(300))
    )
    counts = torch.bincount(erased.flatten().long(), minlength=256).float()
    assert (counts - 300).abs().max() < 120  # 300 expected of each value
    assert not torch.equal(erased[0], erased[1])


def test_the_mean_is_the_images_own():
    images = pictures(3)
    erased = RandomErasing(probability=1.0, area=(1.0, 1.0), aspect=(0.5, 2), value="mean")(
        images, KeyedRandom(keys(3))
    )
    expected = images.float().mean((2, 3), keepdim=True).floor()
    assert torch.equal(erased.float(), expected.expand_as(images))


def test_boxes_lie_inside_images_of_any_shape():
    for height, width in [(28, 28), (5, 64), (64, 3), (1, 1)]:
        box = random_boxes(KeyedRandom(keys(500)), (0.02, 0.9), (0.3, 3.3), height, width)
        assert (box.top >= 0).all()
        assert (box.left >= 0).all()
        assert (box.height >= 1).all()
        assert (box.width >= 1).all()
        assert (box.top + box.height <= height).all()
        assert (box.left + box.width <= width).all()


def test_places_are_spread_evenly():
    box = random_boxes(KeyedRandom(keys(4000)), (0.25, 0.25), (1, 1), 4, 4)
    counts = torch.bincount((box.top * 3 + box.left), minlength=9)
    assert len(counts) == 9
    assert (counts - 4000 / 9).abs().max() < 100


def test_cutout_is_a_square_cut_off_at_the_border():
    images = torch.full((500, 3, 12, 12), 5, dtype=torch.uint8)
    cut = Cutout(size=4, fill=0)(images, KeyedRandom(keys(500)))
    sizes = set()
    for before, after in zip(images, cut, strict=True):
        (_, _, height, width), full = changed_box(before, after)
        assert full
        sizes.add((height, width))
    assert max(sizes) == (4, 4)
    assert min(sizes) == (2, 2)
