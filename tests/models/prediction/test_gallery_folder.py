"""A gallery beside a model: photos in, neighbours and votes out, with and without an index."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import fewshot.__main__ as door
from fewshot.errors import UserError
from fewshot.models.extras import add_extras, as_plain, extras_of
from fewshot.models.model_file import load_model
from fewshot.models.prediction.predictor import load
from tests.models.known_model import write_model

CLASSES = ("Bags", "Hats", "Socks")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory, shop):
    """A CSV of paths and classes, with a row that is no photo."""
    rows = pd.read_csv(shop.root / "train.csv", dtype=str)
    folder = tmp_path_factory.mktemp("catalogue")
    rows["path"] = [f"{shop.root}/images/{i}.jpg" for i in rows["id"]]
    shutil.copytree(shop.root / "images", folder / "images")
    rows["path"] = "images/" + rows["id"] + ".jpg"
    (folder / "images" / "broken.jpg").write_bytes(b"no photo")
    rows.loc[len(rows)] = {"path": "images/broken.jpg", "articleType": "Bags"}
    rows.drop(columns="id").to_csv(folder / "all.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def indexed(catalogue, tmp_path_factory):
    """{exact rows: a model with the catalogue beside it}."""
    made = {}
    for exact_rows in (1000, 10):
        model = write_model(tmp_path_factory.mktemp("models") / "x.mdl")
        vote_by_neighbours(model)
        words = ["index", str(model), str(catalogue / "all.csv"), "--exact-rows", str(exact_rows)]
        assert door.main(words) == 0
        made[exact_rows] = model
    return made


def vote_by_neighbours(model):
    """The little model without its classifier, as one of a k-NN head."""
    from dataclasses import replace

    from fewshot.models.model_file import write

    stored = load_model(model)
    gallery = as_plain(extras_of(stored).gallery)
    gallery["features"] = gallery["features"].float()
    gallery["head"] = {"name": "KNN", "arguments": {"k": 3, "metric": "euclidean"}}
    write(replace(stored, classifier=None), model)
    add_extras(model, {"gallery": gallery})


@pytest.mark.parametrize("exact_rows", [1000, 10])
def test_neighbours_are_those_of_all_photos(indexed, catalogue, exact_rows):
    model = load(indexed[exact_rows])
    photos = sorted((catalogue / "images").glob("testHats*.jpg"))
    table = model.predict(photos, neighbours=3)
    train = pd.read_csv(catalogue / "all.csv")["path"][:-1].tolist()
    own = load(indexed[exact_rows].with_name("x.mdl"))
    features, query = (
        torch.nn.functional.normalize(
            torch.cat([own.embed(image(catalogue / path)) for path in some]), dim=1
        )
        for some in (train, photos)
    )
    best = (query @ features.T).sort(dim=1, descending=True)
    np.testing.assert_allclose(table["neighbour_1_similarity"], best.values[:, 0], atol=0.01)
    if exact_rows == 1000:
        assert table["neighbour_1"].tolist() == [train[i] for i in best.indices[:, 0]]
    assert set(table["neighbour_1_class"]) <= set(CLASSES)
    assert model.class_names == CLASSES, "in the order of the catalogue"


def image(path):
    picture = Image.open(path).convert("RGB").resize((16, 16), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None]


def test_the_index_votes_as_all_photos_do(indexed, catalogue):
    photos = sorted((catalogue / "images").glob("test*.jpg"))
    one, other = (load(indexed[rows]).predict(photos) for rows in (1000, 10))
    assert (one["answer"] == other["answer"]).mean() > 0.8
    assert one["answer"].notna().all()


def test_what_is_compared_with_is_always_told(indexed, catalogue, capsys):
    photo = str(catalogue / "images" / "testHats0.jpg")
    assert door.main(["predict", str(indexed[10]), photo, "--neighbours", "2"]) == 0
    shown = capsys.readouterr()
    assert "an index of 72 vectors finds " in shown.err
    assert shown.out.count("    like images/train") == 2
    door.main(["predict", str(indexed[1000]), photo, "--neighbours", "2"])
    assert "72 images of the gallery beside the model are compared with" in capsys.readouterr().err
    door.main(["predict", str(indexed[10]), photo])  # whose answer is a vote among them
    assert "an index of 72 vectors finds " in capsys.readouterr().err


def test_photos_that_cannot_be_read_are_counted(catalogue, tmp_path, capsys):
    model = write_model(tmp_path / "x.mdl")
    door.main(["index", str(model), str(catalogue / "all.csv")])
    shown = capsys.readouterr()
    assert "1 photo could not be read, the first: images/broken.jpg (not an image)" in shown.err
    assert "x.gallery: 72 images, 3 classes" in shown.out
    broken = catalogue / "images" / "broken.jpg"
    assert door.main(["index", str(model), str(broken)]) == 2
    assert "the gallery has no image that can be read" in capsys.readouterr().err
    assert len(load(model).alike) == 72, "what was there stays"


def test_another_models_gallery_is_refused(indexed, tmp_path):
    torch.manual_seed(1)
    model = write_model(tmp_path / "y.mdl")
    shutil.copytree(indexed[1000].with_suffix(".gallery"), tmp_path / "y.gallery")
    assert load(model).alike is not None  # the same weights
    about = tmp_path / "y.gallery" / "gallery.json"
    about.write_text(about.read_text().replace(json.loads(about.read_text())["model"], "0" * 32))
    with pytest.raises(UserError, match=r"y\.gallery' was made by another model than .*index "):
        load(model)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("cosine.faiss", b"short", "is cut short: cosine.faiss has 5 of "),
        ("names.txt", b"", "is cut short: names.txt has 0 of "),
        ("labels.i32", None, "is cut short: labels.i32 has 0 of 288 bytes; make it again"),
        ("gallery.json", b"{}", "is no gallery that can be read: make it again"),
        ("gallery.json", b"[" * 100_000, "is no gallery that can be read"),
        ("gallery.json", None, "is no gallery that can be read"),
    ],
)
def test_a_damaged_gallery_is_named(indexed, tmp_path, name, content, text):
    model = tmp_path / "x.mdl"
    shutil.copy(indexed[10], model)
    shutil.copytree(indexed[10].with_suffix(".gallery"), tmp_path / "x.gallery")
    (tmp_path / "x.gallery" / name).unlink()
    if content is not None:
        (tmp_path / "x.gallery" / name).write_bytes(content)
    with pytest.raises(UserError, match=text):
        load(model)


def test_a_version_that_is_newer_is_named(indexed, tmp_path):
    model = tmp_path / "x.mdl"
    shutil.copy(indexed[1000], model)
    shutil.copytree(indexed[1000].with_suffix(".gallery"), tmp_path / "x.gallery")
    about = tmp_path / "x.gallery" / "gallery.json"
    about.write_text(about.read_text().replace('"version": 1', '"version": 9'))
    with pytest.raises(UserError, match=r"is of another version \(9\)"):
        load(model)
