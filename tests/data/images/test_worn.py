import numpy as np
import pytest

from fewshot.data.images.worn import without_wearer

SKIN, HAIR = (214, 160, 130), (40, 28, 22)


def wearer(garment=(40, 70, 170), trousers=(120, 120, 115), face=SKIN, size=1):
    """Hair, face, a garment with bare arms, and trousers that the lower border cuts."""
    pixels = np.full((80, 60, 3), 255, np.uint8)
    pixels[2:6, 24:36] = HAIR
    pixels[6:16, 24:36] = face
    pixels[16:58, 16:44] = garment
    pixels[20:54, 10:16] = pixels[20:54, 44:50] = face
    pixels[58:, 18:42] = trousers
    worn = np.zeros((80, 60), bool)
    worn[16:58, 16:44] = True
    return tuple(
        np.kron(a, np.ones((size, size, *[1] * (a.ndim - 2)), a.dtype)) for a in (pixels, worn)
    )


def agreement(mask, truth):
    return (mask & truth).sum() / (mask | truth).sum()


@pytest.mark.parametrize("size", [1, 5])
def test_head_arms_and_trousers_are_left_out(size):
    pixels, worn = wearer(size=size)
    everything = (pixels < 255).any(axis=2)
    assert agreement(everything, worn) < 0.65
    assert agreement(without_wearer(pixels, everything), worn) > 0.85


def test_a_garment_that_goes_down_to_the_border_is_kept_whole():
    pixels, worn = wearer(trousers=(40, 70, 170))
    worn[58:, 18:42] = True
    assert agreement(without_wearer(pixels, (pixels < 255).any(axis=2)), worn) > 0.9


def test_without_a_face_the_mask_stays_as_it_is():
    pixels, _ = wearer(face=(90, 140, 90))
    everything = (pixels < 255).any(axis=2)
    assert without_wearer(pixels, everything) is everything


def test_an_item_of_the_colour_of_skin_stays_whole():
    pixels, _ = wearer(garment=SKIN, trousers=SKIN)
    everything = (pixels < 255).any(axis=2)
    assert without_wearer(pixels, everything) is everything


def test_no_mask_stays_no_mask():
    pixels, _ = wearer()
    assert not without_wearer(pixels, np.zeros((80, 60), bool)).any()
