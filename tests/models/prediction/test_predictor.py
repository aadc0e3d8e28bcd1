import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.special import softmax

import fewshot
from fewshot.data.images.decode import decode_file
from fewshot.errors import UserError
from fewshot.models.extras import add_extras
from fewshot.models.model_file import load_model, save_model, write
from fewshot.models.prediction.predictor import load
from fewshot.objectives.rotation_net import RotationNet
from tests.objectives.toy import ToyEncoder, images, spec


@pytest.fixture
def photos(shop):
    return [shop.root / "images" / f"test{name}0.jpg" for name in ("Bags", "Hats", "Socks")]


def test_three_lines_give_a_table(model_path, photos):
    model = fewshot.load(model_path)
    table = model.predict(photos)
    assert list(table.columns) == [
        *("photo", "answer", "class_1", "score_1", "class_2", "score_2", "class_3", "score_3"),
        "error",
    ]
    assert table["photo"].tolist() == [str(photo) for photo in photos]
    np.testing.assert_allclose(table[["score_1", "score_2", "score_3"]].sum(axis=1), 1)
    assert table["score_1"].dtype == float
    pd.testing.assert_frame_equal(model.predict(photos[0]), table.iloc[:1], check_dtype=False)


def test_probabilities_are_those_of_the_scores_at_the_stored_temperature(model_path):
    seen = images(5, 3, (16, 16))
    plain = load(model_path)
    add_extras(model_path, {"temperature": 2.5})
    scores = plain.module.scores(seen).double().numpy()
    np.testing.assert_allclose(plain.probabilities(seen), softmax(scores, axis=1))
    tempered = load(model_path).probabilities(seen)
    np.testing.assert_allclose(tempered, softmax(scores / 2.5, axis=1))


def test_unknown_is_answered_below_the_threshold(model_path, photos):
    likeliest = load(model_path).predict(photos)["score_1"]
    add_extras(model_path, {"threshold": float(likeliest.sort_values().iloc[1])})
    table = load(model_path).predict(photos)
    assert (table["answer"] == "unknown").tolist() == (likeliest == likeliest.min()).tolist()
    assert table["class_1"].tolist() != ["unknown"] * 3


def test_a_photo_that_cannot_be_read_is_a_marked_row(model_path, photos, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    table = load(model_path).predict([photos[0], tmp_path / "broken.jpg"], neighbours=1)
    assert table["error"].tolist()[1] == "not an image"
    assert table["answer"].isna().tolist() == [False, True]
    assert table["neighbour_1"].isna().tolist() == [False, True]


@pytest.mark.parametrize("kind", ["turned", "transparent", "palette", "deep", "cmyk", "grey"])
def test_photos_of_any_mode_are_prepared_as_packs_are(model_path, shop, tmp_path, kind):
    model = load(model_path)
    photo = Image.open(shop.root / "images/testBags0.jpg")
    path, options = tmp_path / "photo.png", {}
    if kind == "turned":
        path, options = tmp_path / "photo.jpg", {"exif": Image.Exif()}
        options["exif"][0x0112] = 6
        photo = photo.crop((0, 0, 20, 9))
    elif kind == "transparent":
        photo.putalpha(100)
    elif kind == "deep":
        photo = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    elif kind == "cmyk":
        path, photo = tmp_path / "photo.jpg", photo.convert("CMYK")
    else:
        photo = photo.convert({"palette": "P", "grey": "L"}[kind])
    photo.save(path, **options)
    prepared = decode_file(path, model.image_format)
    expected = model.probabilities(prepared[None])[0].sort(descending=True).values
    found = model.predict(path)[["score_1", "score_2", "score_3"]].to_numpy()[0]
    np.testing.assert_allclose(found, expected)


def test_a_model_without_classes_says_what_to_do(tmp_path, photos):
    path = tmp_path / "model.mdl"
    save_model(RotationNet(spec(channels=3), ToyEncoder), path)
    with pytest.raises(UserError, match=r"of RotationNet that knows no classes: .*fewshot add"):
        load(path).predict(photos)


def test_neighbours_need_a_gallery(model_path, photos):
    with pytest.raises(UserError, match=r"19 neighbours cannot .* keeps 18 .*Ask for 0 to 18"):
        load(model_path).predict(photos, neighbours=19)
    write(replace(load_model(model_path), extras={}), model_path)
    with pytest.raises(UserError, match=r"keeps 0 labelled training images \(only runs that"):
        load(model_path).predict(photos, neighbours=1)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"name": "Nearest", "arguments": {}}, "the head Nearest, which is not registered"),
        ({"name": "ToyEncoder", "arguments": {}}, "names ToyEncoder as its head, and that is none"),
        ({"name": "KNN", "arguments": {"k": "3"}}, "has k = '3' for its head KNN"),
        ({"name": "KNN", "arguments": {"n": 3}}, "has n = 3 for its head KNN"),
    ],
)
def test_a_head_is_built_of_nothing_but_a_heads_own_values(tmp_path, head, message):
    path = tmp_path / "model.mdl"
    save_model(RotationNet(spec(channels=3), ToyEncoder), path)
    gallery = {
        "ids": ("1",),
        "features": torch.rand(1, 6),
        "labels": torch.tensor([0]),
        "class_names": ("Bags",),
        "head": head,
    }
    add_extras(path, {"gallery": gallery})
    with pytest.raises(UserError, match=message):
        load(path)


def test_importing_the_package_imports_no_torch():
    program = "import sys, fewshot; assert 'torch' not in sys.modules and 'gin' not in sys.modules"
    subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[3], check=True, timeout=60
    )
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        _ = fewshot.lod
