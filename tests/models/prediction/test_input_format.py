from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from fewshot.data.images.on_black import photo_on_black
from fewshot.errors import UserError
from fewshot.models.extras import add_extras
from fewshot.models.model_file import save_model
from fewshot.models.prediction.input_format import FASHION_MNIST
from fewshot.models.prediction.predictor import load
from fewshot.objectives.transfer_net import TransferNet
from tests.demo.scenes import samples
from tests.objectives.toy import ToyEncoder, spec


def written(tmp_path, names=("Bag", "Coat"), size=(28, 28), channels=1, **extras):
    path = tmp_path / "model.mdl"
    facts = replace(spec(names, size=size, channels=channels), resize="stretch")
    torch.manual_seed(0)
    save_model(TransferNet(facts, ToyEncoder), path)
    add_extras(path, extras)
    return path


def on_black(path, photos="auto"):
    return load(path, photos).image_format.items_on_black


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("noted", [True, False])
def test_what_the_run_noted_counts(tmp_path, channels, noted):
    path = written(tmp_path, channels=channels, items_on_black=noted)
    assert on_black(path) is noted
    assert on_black(path, "on-black") is True
    assert on_black(path, "as-they-are") is False


@pytest.mark.parametrize(
    ("names", "channels", "answer"),
    [
        (tuple(FASHION_MNIST), 1, True),
        (("Bag", "Coat"), 1, True),
        (("Bag", "Kurta"), 1, False),
        (("Bag", "Coat"), 3, False),
    ],
)
def test_models_that_note_nothing_are_known_by_channels_and_classes(
    tmp_path, names, channels, answer
):
    assert on_black(written(tmp_path, names, channels=channels)) is answer


def test_photos_are_turned_and_images_of_the_data_set_stay(tmp_path):
    path = written(tmp_path, items_on_black=True)
    item = samples("t10k")[0][3]
    Image.fromarray(item).save(tmp_path / "own.png")
    photo = np.full((80, 60, 3), 255, np.uint8)
    photo[20:60, 15:45] = (200, 40, 40)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    model = load(path)
    expected = model.probabilities(np.stack([item[None], photo_on_black(photo)[None]]))
    found = model.predict([tmp_path / "own.png", tmp_path / "photo.png"])
    np.testing.assert_allclose(found["score_1"], expected.amax(1), rtol=1e-6)
    plain = load(path, "as-they-are").predict([tmp_path / "own.png", tmp_path / "photo.png"])
    assert plain["score_1"][0] == found["score_1"][0]
    assert plain["score_1"][1] != found["score_1"][1]


def test_what_cannot_be_is_refused(tmp_path):
    path = written(tmp_path, size=(28, 20))
    assert on_black(path) is False
    with pytest.raises(UserError, match="28 x 20, and items on black fill a square"):
        load(path, "on-black")
    with pytest.raises(UserError, match=r"photos is 'black': give one of auto, as-they-are"):
        load(path, "black")
