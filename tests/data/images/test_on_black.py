import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.data.images.on_black import is_on_black, on_black, photo_on_black

SAMPLES = Path(__file__).parents[2] / "samples" / "fashion-mnist"


def fashion_mnist():
    """The committed part of Fashion-MNIST's test images, uint8 [n, 28, 28]."""
    content = gzip.decompress((SAMPLES / "t10k-images-idx3-ubyte.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28)


def box(image):
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(0, 20), st.integers(0, 20),
    st.integers(0, 220), st.sampled_from([28, 32]),
)  # fmt: skip
def test_the_item_fills_the_square_and_lies_in_its_middle(height, width, y, x, grey, side):
    pixels = np.full((80, 80, 3), 255, np.uint8)
    mask = np.zeros((80, 80), bool)
    mask[y : y + height, x : x + width] = True
    pixels[mask] = grey
    image = on_black(pixels, mask, side)
    assert image.shape == (side, side)
    assert image.dtype == np.uint8
    top, bottom, left, right = box(image)
    assert max(bottom - top, right - left) == side
    assert abs((top + bottom) - side) <= 1
    assert abs((left + right) - side) <= 1
    assert image.max() >= 250  # the darkest of the photo is white


def test_dark_is_bright_and_the_background_is_black():
    pixels = np.full((56, 56, 3), 200, np.uint8)
    mask = np.zeros((56, 56), bool)
    mask[:, 14:42] = True
    pixels[:28, 14:42], pixels[28:, 14:42] = 20, 120
    image = on_black(pixels, mask)
    assert image[4:10, 10:18].min() > 240
    assert 100 < image[18:24, 10:18].mean() < 180
    assert not image[:, :6].any()
    assert not image[:, 22:].any()


def test_no_item_is_black():
    assert not on_black(np.full((9, 9, 3), 255, np.uint8), np.zeros((9, 9), bool)).any()


@pytest.mark.parametrize("side", [28, 200])
def test_a_photo_of_a_data_sets_item_becomes_about_that_item_again(side):
    """Inverted onto white, enlarged, framed, and turned back."""
    distances, others = [], []
    images = fashion_mnist()
    for number in range(0, len(images), 5):
        scale = side // 28
        item = np.kron(255 - images[number], np.ones((scale, scale), np.uint8))
        photo = np.pad(item, 3 * scale, constant_values=255)
        back = photo_on_black(np.repeat(photo[..., None], 3, axis=2)).astype(np.float64)
        distances.append(np.abs(back - images[number]).mean())
        others.append(np.abs(back - images[number - 7]).mean())
    assert np.median(distances) < 0.35 * np.median(others)


GREY = np.full((28, 28, 3), 200, np.uint8)


@pytest.mark.parametrize(
    ("picture", "answer"),
    [
        (GREY, True),  # the size of the data set's own
        (np.pad(GREY, ((30, 30), (30, 30), (0, 0))), True),  # enlarged, on black
        (np.pad(GREY, ((30, 30), (30, 30), (0, 0)), constant_values=255), False),
        (GREY + np.array([20, 0, 0], np.uint8), False),  # coloured
    ],
)
def test_an_image_of_the_data_set_is_known_as_such(picture, answer):
    assert is_on_black(picture, (28, 28)) is answer
