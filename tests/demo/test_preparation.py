import numpy as np
import pytest
from PIL import Image

from fewshot.data.images.decode import ImageFormat, convert
from fewshot.data.images.on_black import on_black
from fewshot.demo.preparation import Preparation
from tests.demo.scenes import held, samples, taken, wall

GREY, COLOUR = ImageFormat((28, 28), 1, "stretch"), ImageFormat((64, 48), 3, "stretch")


def scene():
    picture, mask = held(wall(), samples("t10k")[0][0])
    return taken(picture), mask


def test_items_come_grey_on_black_for_models_that_know_them_so():
    picture, mask = scene()
    image = Preparation(GREY, items_on_black=True)(picture, mask)
    np.testing.assert_array_equal(image, on_black(picture, mask)[None])


def test_items_come_alone_on_white_in_the_models_proportions():
    picture, mask = scene()
    image = Preparation(COLOUR, items_on_black=False)(picture, mask)
    assert image.shape == COLOUR.shape
    assert image[:, [0, 0, -1, -1], [0, -1, 0, -1]].min() == 255
    assert (image < 240).any(axis=0).mean() > 0.15


@pytest.mark.parametrize("image_format", [GREY, COLOUR])
def test_a_picture_without_an_item_is_taken_whole(image_format):
    picture, _ = scene()
    image = Preparation(image_format, items_on_black=False)(picture, None)
    np.testing.assert_array_equal(image, convert(Image.fromarray(picture), image_format))


def test_an_image_of_fashion_mnist_itself_stays_as_it_is():
    image = samples("t10k")[0][3]
    rgb = np.repeat(image[..., None], 3, axis=2)
    np.testing.assert_array_equal(Preparation(GREY, True)(rgb, image > 0), image[None])


def test_the_wearer_is_left_out_only_for_models_of_items_alone():
    picture = np.full((80, 60, 3), 255, np.uint8)
    picture[6:16, 24:36] = (214, 160, 130)
    picture[16:60, 14:46] = (40, 70, 170)
    mask = (picture < 255).any(axis=2)
    assert Preparation(COLOUR, items_on_black=False).item(picture, mask) is mask
    garment = Preparation(GREY, items_on_black=True).item(picture, mask)
    assert not garment[:15].any()
    assert garment[20:55, 16:44].all()
