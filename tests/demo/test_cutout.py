import numpy as np
import pytest

from fewshot.demo.cutout import cut_out, framed, outlines
from tests.demo.scenes import agreement, held, samples, shelf, taken, wall


@pytest.mark.parametrize("number", range(0, 100, 9))
def test_an_item_before_a_plain_wall_is_found_without_a_background(number):
    picture, mask = held(wall(), samples("t10k")[0][number])
    cutout = cut_out(taken(picture))
    assert cutout.how == "plain"
    assert agreement(cutout.mask, mask) > 0.85


def test_before_a_busy_background_the_middle_is_guessed():
    images, names = samples("t10k")
    bag = images[np.flatnonzero(names == "Bag")[0]]
    picture, mask = held(shelf(), bag)
    cutout = cut_out(taken(picture))
    assert cutout.how == "guess"
    assert agreement(cutout.mask, mask) > 0.3
    again = cut_out(taken(picture))
    np.testing.assert_array_equal(again.mask, cutout.mask)


def test_nothing_is_found_on_a_bare_wall():
    assert cut_out(taken(wall())) is None


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 300), (5, 4)])
def test_pictures_of_a_few_pixels_do_no_harm(shape):
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    for reference in (None, pixels):
        cutout = cut_out(pixels, reference)
        assert cutout is None or cutout.mask.shape == shape


def test_outlines_are_polygons_in_shares_of_the_sides():
    mask = np.zeros((100, 200), bool)
    mask[20:80, 50:150] = True
    (polygon,) = outlines(mask)
    assert {(round(x, 1), round(y, 1)) for x, y in polygon} == {
        (0.2, 0.2), (0.2, 0.8), (0.7, 0.2), (0.7, 0.8)
    } or {(round(x * 4) / 4, round(y, 1)) for x, y in polygon} == {
        (0.25, 0.2), (0.25, 0.8), (0.75, 0.2), (0.75, 0.8)
    }  # fmt: skip


@pytest.mark.parametrize("aspect", [0.75, 1.0, 2.0])
@pytest.mark.parametrize("box", [(10, 90, 40, 60), (45, 55, 5, 95), (0, 100, 0, 100)])
def test_the_item_lies_alone_in_the_middle_of_its_frame(aspect, box):
    top, bottom, left, right = box
    mask = np.zeros((100, 100), bool)
    mask[top:bottom, left:right] = True
    pixels = np.full((100, 100, 3), (0, 120, 0), np.uint8)
    pixels[mask] = (90, 20, 20)
    crop = framed(pixels, mask, aspect, margin=0.1)
    height, width = crop.shape[:2]
    assert width / height == pytest.approx(aspect, rel=0.03)
    assert (crop[0] == 255).all()
    assert (crop[:, 0] == 255).all()
    red = np.abs(crop.astype(int) - (90, 20, 20)).max(axis=2) < 5
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert abs(rows[0] + rows[-1] + 1 - height) <= 2
    assert abs(columns[0] + columns[-1] + 1 - width) <= 2
    filled = max((rows[-1] - rows[0] + 1) / height, (columns[-1] - columns[0] + 1) / width)
    assert 0.7 < filled < 0.82


def test_without_a_margin_the_item_reaches_the_frame_as_in_product_photos():
    mask = np.zeros((100, 100), bool)
    mask[10:90, 40:60] = True
    crop = framed(np.zeros((100, 100, 3), np.uint8), mask)
    assert crop.shape == (80, 80, 3)
    assert (crop[[0, -1], 40] < 128).all()
