import numpy as np
import pytest

from fewshot.demo.cutout import cut_out
from tests.demo.scenes import agreement, held, samples, shelf, taken, wall, wood

LIGHTS = {
    "the same": {},
    "darker": {"gain": 0.65},
    "brighter": {"gain": 1.25},
    "warmer": {"tint": (1.1, 1.0, 0.85)},
    "from a side": {"fall": 0.4},
    "darker, warmer, from the other side": {"gain": 0.75, "tint": (1.1, 1, 0.85), "fall": -0.3},
}
SCENES = {"wall": wall, "wood": wood, "shelf": shelf}


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("scene", SCENES)
def test_an_item_is_found_before_a_known_background_in_any_light(scene, light):
    ground = SCENES[scene]()
    images, names = samples("t10k")
    found = []
    for name in ("Trouser", "Sneaker", "Bag", "Pullover"):
        picture, mask = held(ground, images[np.flatnonzero(names == name)[0]])
        cutout = cut_out(taken(picture, **LIGHTS[light], seed=1), taken(ground))
        assert cutout is not None
        assert cutout.how == "reference"
        found.append(agreement(cutout.mask, mask))
    assert min(found) > 0.75, found


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("scene", SCENES)
def test_nothing_is_found_where_only_the_light_has_changed(scene, light):
    ground = SCENES[scene]()
    assert cut_out(taken(ground, **LIGHTS[light], seed=1), taken(ground)) is None


def test_a_soft_shadow_is_no_item():
    ground = wall()
    y, x = np.mgrid[:240, :320]
    shadow = 1 - 0.25 * np.exp(-(((x - 110) / 50) ** 2 + ((y - 150) / 40) ** 2))
    assert cut_out(taken(ground * shadow[..., None], seed=1), taken(ground)) is None


def test_a_background_of_another_resolution_serves():
    images, _ = samples("t10k")
    picture, mask = held(wood(), images[0])
    cutout = cut_out(taken(picture), taken(wood())[::2, ::2])
    assert agreement(cutout.mask, mask) > 0.7


@pytest.mark.parametrize("level", [0, 255])
def test_a_covered_or_blinded_camera_shows_nothing(level):
    bare = np.full((60, 80, 3), level, np.uint8)
    assert cut_out(bare, bare) is None
