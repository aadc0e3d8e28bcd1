import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from fewshot.data.images.plain_background import (
    background,
    bounding_box,
    item_mask,
    largest_parts,
)

SEEN = (slice(20, 60), slice(15, 40))  # where the item lies in `photo`


def photo(ground=(255, 255, 255), item=(90, 60, 120), fall=0.0, noise=2.0, shape=(80, 60)):
    """A rectangle before a ground whose light falls off to the right, as a camera sees it."""
    rng = np.random.default_rng(0)
    light = 1 - fall * np.linspace(0, 1, shape[1])[None, :, None]
    pixels = np.full((*shape, 3), ground, np.float32) * light
    pixels[SEEN] = item
    return np.clip(pixels + rng.normal(0, noise, pixels.shape), 0, 255).astype(np.uint8)


def agreement(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


def truth(shape=(80, 60)):
    mask = np.zeros(shape, bool)
    mask[SEEN] = True
    return mask


@pytest.mark.parametrize("ground", [(255, 255, 255), (128, 140, 120), (10, 10, 14)])
@pytest.mark.parametrize("fall", [0.0, 0.4])
def test_the_item_is_what_the_background_does_not_reach(ground, fall):
    pixels = photo(ground, item=(200, 30, 60), fall=fall)
    assert agreement(item_mask(pixels), truth()) > 0.97
    assert background(pixels).plainness > 0.95


def test_what_is_closed_in_is_the_items_even_in_the_colour_of_the_background():
    pixels = photo()
    pixels[30:50, 20:35] = 255
    assert agreement(item_mask(pixels), truth()) > 0.97


def test_a_white_item_is_told_from_white_by_its_shade():
    pixels = photo(item=(238, 238, 240), noise=1.0)
    assert agreement(item_mask(pixels), truth()) > 0.97


def test_an_item_that_the_border_cuts_is_no_background():
    pixels = photo()
    pixels[60:, 20:40] = (30, 30, 160)
    seen = truth()
    seen[60:, 20:40] = True
    assert agreement(item_mask(pixels), seen) > 0.97


def test_nothing_stands_out_from_an_empty_picture():
    assert not item_mask(np.full((40, 30, 3), 200, np.uint8)).any()


def test_a_busy_picture_is_not_plain():
    pixels = np.random.default_rng(0).integers(0, 255, (80, 60, 3), dtype=np.uint8)
    assert background(pixels).plainness < 0.6


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4, 4), (3, 50)])
def test_pictures_of_a_few_pixels_are_taken_too(shape):
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    assert item_mask(pixels).shape == shape


@given(st.integers(0, 2**31 - 1), st.floats(0.01, 1.0))
def test_parts_that_are_kept_are_whole_and_large(seed, least):
    mask = ndimage.binary_opening(np.random.default_rng(seed).random((24, 24)) < 0.6)
    kept = largest_parts(mask, least)
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    largest = max((int((parts == part).sum()) for part in range(1, count + 1)), default=0)
    for part in range(1, count + 1):
        piece = parts == part
        whole = int(piece.sum()) >= least * largest
        assert kept[piece].all() if whole else not kept[piece].any()


def test_the_bounding_box_holds_just_the_mask():
    assert bounding_box(truth()) == (20, 60, 15, 40)
    with pytest.raises(ValueError, match="empty"):
        bounding_box(np.zeros((3, 3), bool))
