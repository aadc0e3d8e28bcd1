"""A gallery beside a model: photos in, neighbours and votes out, with and without an index."""

import hashlib
import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import fewshot.__main__ as door
from fewshot.errors import UserError
from fewshot.models.extras import add_extras, as_plain, extras_of
from fewshot.models.model_file import load_model
from fewshot.models.prediction import gallery_digests, voters
from fewshot.models.prediction.adding import add_classes
from fewshot.models.prediction.gallery_folder import GalleryFolder
from fewshot.models.prediction.gallery_writing import Part, write_gallery
from fewshot.models.prediction.predictor import Predictor, load
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


@pytest.fixture(scope="module")
def partly(catalogue):
    """CSVs: of rows in four, one has no label, one is of another class; and the rest of them."""
    rows = pd.read_csv(catalogue / "all.csv")[:-1]
    rows.loc[::4, "articleType"] = ""
    rows.loc[1::4, "articleType"] = "Kilts"
    rows.to_csv(catalogue / "partly.csv", index=False)
    rows[rows.index % 4 > 1].to_csv(catalogue / "rest.csv", index=False)
    return catalogue


def index(folder, csv, *options):
    model = write_model(folder / "x.mdl")
    vote_by_neighbours(model)
    assert door.main(["index", str(model), str(csv), *options]) == 0
    return model


def test_images_without_a_class_of_the_model_are_neighbours_only(
    partly, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(voters, "_BLOCK", 10)
    (tmp_path / "rest").mkdir()
    rest = load(index(tmp_path / "rest", partly / "rest.csv"))
    model = index(tmp_path, partly / "partly.csv")
    told = "36 of 72 images vote; those of Kilts, which the model was not trained on, are neighb"
    assert told in capsys.readouterr().out
    photos = sorted((partly / "images").glob("test*.jpg"))
    table = load(model).predict(photos, neighbours=20)
    assert load(model).class_names == CLASSES
    pd.testing.assert_frame_equal(rest.predict(photos), table[rest.predict(photos).columns])
    classes = table.filter(regex=r"^neighbour_\d+_class$")
    assert {"", "Kilts", *CLASSES} == set(classes.to_numpy().flatten())
    door.main(["predict", str(model), str(photos[0])])
    assert told in capsys.readouterr().err
    nearly = load(index(tmp_path, partly / "partly.csv", "--exact-rows", "10")).predict(photos)
    assert (nearly["answer"] == table["answer"]).mean() > 0.8


def test_a_gallery_in_which_too_few_can_vote_says_so(catalogue, tmp_path, capsys):
    own = tmp_path / "own"
    own.mkdir()
    alone = write_model(own / "x.mdl")
    vote_by_neighbours(alone)
    model = index(tmp_path, catalogue / "images")
    told = "gallery' shows neighbours only, and the gallery in the model's file votes: 0 of its "
    assert told in capsys.readouterr().out
    photos = sorted((catalogue / "images").glob("test*.jpg"))
    assert door.main(["predict", str(model), str(photos[0])]) == 0
    assert "warning: " + f"'{tmp_path}/x." + told in capsys.readouterr().err
    pd.testing.assert_frame_equal(load(model).predict(photos), load(alone).predict(photos))
    few = pd.read_csv(catalogue / "all.csv")[:-1]
    few.loc[few["articleType"] == "Hats", "articleType"] = ""
    few.to_csv(catalogue / "few.csv", index=False)
    model = index(tmp_path, catalogue / "few.csv")
    assert "; no image is of Hats: never the answer" in capsys.readouterr().out
    assert "Hats" not in set(load(model).predict(photos)["answer"])


def test_labels_of_another_kind_are_refused_before_anything_is_embedded(
    catalogue, tmp_path, capsys
):
    model = write_model(tmp_path / "x.mdl")
    words = ["index", str(model), str(catalogue / "all.csv"), "--label-column"]
    assert door.main([*words, "articlType"]) == 2
    error = capsys.readouterr().err
    assert "all.csv has no column 'articlType'; its columns are: " in error
    assert "Did you mean 'articleType'? Name another with --label-column ('' for none)" in error
    assert door.main([*words, "path"]) == 0, "a classifier shows what its neighbours are called"
    vote_by_neighbours(model)
    assert door.main([*words, "path"]) == 2
    error = capsys.readouterr().err
    assert "the labels of these images (images/broken.jpg, images/train" in error
    assert "none of the classes that " in error
    assert "votes for (Bags, Hats, Socks): name the column of those with --label-column" in error
    assert door.main([*words, ""]) == 0
    assert "x.gallery: 72 images, 0 classes" in capsys.readouterr().out


def test_the_library_is_asked_for_before_anything_is_embedded(
    catalogue, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "faiss", None)
    monkeypatch.setattr(Predictor, "embed", None)
    model = write_model(tmp_path / "x.mdl")
    assert door.main(["index", str(model), str(catalogue / "images"), "--exact-rows", "9"]) == 2
    assert "faiss, which is not installed" in capsys.readouterr().err


def test_classes_that_were_added_are_told_apart_by_their_photos(partly, tmp_path, capsys):
    base = write_model(tmp_path / "base.mdl")
    vote_by_neighbours(base)
    pictures = np.random.default_rng(0).integers(0, 255, (3, 3, 16, 16), np.uint8)
    add_classes(load(base), {"Kilts": pictures}).save(tmp_path / "x.mdl")
    model = tmp_path / "x.mdl"
    assert door.main(["index", str(model), str(partly / "partly.csv")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "36 of 72 images vote"
    assert load(model).class_names == (*CLASSES, "Kilts")
    assert load(model).probabilities(pictures).sum(1).numpy() == pytest.approx(1)


def test_what_is_compared_with_is_always_told(indexed, catalogue, capsys):
    photo = str(catalogue / "images" / "testHats0.jpg")
    assert door.main(["predict", str(indexed[10]), photo, "--neighbours", "2"]) == 0
    shown = capsys.readouterr()
    assert "an index of 72 vectors finds " in shown.err
    assert shown.out.count("    like images/train") == 2
    door.main(["predict", str(indexed[1000]), photo, "--neighbours", "2"])
    assert "72 images of the gallery beside the model are compared with" in capsys.readouterr().err
    door.main(["predict", str(indexed[10]), photo])  # whose answer is a vote among them
    told = capsys.readouterr().err
    assert "an index of 72 vectors finds " in told
    assert "(recall@10, euclidean, 72 of its own vectors)" in told
    assert "cosine" not in told


def test_whoever_loads_a_model_is_told_what_votes_and_by_what(indexed, catalogue, caplog):
    caplog.set_level("INFO", "fewshot")
    model = load(indexed[10])
    by_votes, voting = caplog.messages
    assert "an index of 72 vectors finds " in by_votes
    assert "euclidean" in by_votes
    assert voting == "72 of 72 images vote"
    for _ in range(2):
        model.predict(catalogue / "images" / "testHats0.jpg", neighbours=1)
    (of_neighbours,) = caplog.messages[2:]
    assert "(recall@10, cosine, 72 of its own vectors)" in of_neighbours
    caplog.clear()
    load(indexed[1000])
    assert "72 images of the gallery beside the model are compared with" in caplog.messages[0]


def test_too_many_neighbours_are_refused_by_how_many_images_there_are(indexed, catalogue):
    told = r"keeps 72 images in the gallery beside it, '.*x\.gallery'\. Ask for 0 to 72\."
    with pytest.raises(UserError, match=told):
        load(indexed[1000]).predict(catalogue / "images", neighbours=73)


def test_an_export_says_that_the_gallery_is_left_out(indexed, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fewshot.models.export.export", lambda *_: 0.0)
    assert door.main(["export", str(indexed[1000]), str(tmp_path / "x.onnx")]) == 0
    place = indexed[1000].with_suffix(".gallery")
    told = f"'{place}' is left out: in the ONNX file, the gallery in the model's file votes"
    assert told in capsys.readouterr().err
    alone = tmp_path / "alone.mdl"
    shutil.copy(indexed[1000], alone)
    assert door.main(["export", str(alone), str(tmp_path / "x.onnx")]) == 0
    assert "is left out" not in capsys.readouterr().err


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


@pytest.fixture
def copied(indexed, tmp_path):
    def copy(exact_rows):
        shutil.copy(indexed[exact_rows], tmp_path / "x.mdl")
        shutil.copytree(indexed[exact_rows].with_suffix(".gallery"), tmp_path / "x.gallery")
        return load_model(tmp_path / "x.mdl"), tmp_path / "x.gallery"

    return copy


@pytest.mark.parametrize(
    ("exact_rows", "name"),
    [
        *((1000, name) for name in ("features.f32", "labels.i32", "ends.i64", "names.txt")),
        *((10, name) for name in ("cosine.faiss", "euclidean.faiss", "gallery.json")),
    ],
)
def test_a_flipped_bit_is_noticed(copied, exact_rows, name):
    model, place = copied(exact_rows)
    content = (place / name).read_bytes()
    random = np.random.default_rng(0)
    for _ in range(40):
        flipped = bytearray(content)
        flipped[random.integers(len(content))] ^= 1 << random.integers(8)
        (place / name).write_bytes(flipped)
        with pytest.raises(UserError, match=f"{place}"):
            GalleryFolder(model, place)
    (place / name).write_bytes(content)
    assert len(GalleryFolder(model, place)) == 72


def test_large_files_are_left_out_where_that_is_asked_for(copied, monkeypatch, caplog):
    monkeypatch.setattr(gallery_digests, "_PIECE", 600)
    model, place = copied(1000)
    path = place / "features.f32"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(UserError, match=r"is damaged: features.f32 is not what was written; make"):
        GalleryFolder(model, place)
    monkeypatch.setenv("FEWSHOT_UNCOMPARED", "1")
    caplog.set_level("INFO", "fewshot")
    GalleryFolder(model, place)
    assert f"{path} is not compared with its digest (FEWSHOT_UNCOMPARED=1)" in caplog.text


@pytest.mark.parametrize("piece", [1, 7, 600, 1 << 26])
def test_a_digest_is_of_all_bytes_whatever_the_threads(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(gallery_digests, "_PIECE", piece)
    content = bytes(range(60))
    (tmp_path / "a").write_bytes(content)
    whole = hashlib.sha256()
    for start in range(0, 60, piece):
        whole.update(hashlib.sha256(content[start : start + piece]).digest())
    assert gallery_digests.digests_of(tmp_path, ["a"]) == {"a": whole.hexdigest()}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("labels.i32", np.full(72, 9, np.int32)),
        ("labels.i32", np.full(72, -2, np.int32)),
        ("ends.i64", np.zeros(72, np.int64)),
        ("ends.i64", np.arange(1, 73, dtype=np.int64) << 40),
    ],
)
def test_an_older_gallery_is_warned_of_and_its_ranges_are_checked(copied, caplog, name, values):
    model, place = copied(1000)
    about = json.loads((place / "gallery.json").read_text())
    del about["digests"], about["check"]
    (place / "gallery.json").write_text(json.dumps(about))
    assert len(GalleryFolder(model, place)) == 72
    assert "is of an older version, without digests" in caplog.text
    (place / name).write_bytes(values.tobytes())
    with pytest.raises(UserError, match=f"is damaged: {name} is out of range; make it again"):
        GalleryFolder(model, place)


def test_features_that_are_no_numbers_are_refused(copied):
    model, place = copied(1000)
    features = np.ones((2, 4), np.float32)
    features[1, 2] = np.nan
    with pytest.raises(UserError, match=r"makes features of b\.png that are no finite numbers, by"):
        write_gallery(model, [Part(["a.png", "b.png"], ["", ""], features)])
    assert len(GalleryFolder(model, place)) == 72, "what was there stays"


def test_a_version_that_is_newer_is_named(indexed, tmp_path):
    model = tmp_path / "x.mdl"
    shutil.copy(indexed[1000], model)
    shutil.copytree(indexed[1000].with_suffix(".gallery"), tmp_path / "x.gallery")
    about = tmp_path / "x.gallery" / "gallery.json"
    about.write_text(about.read_text().replace('"version": 1', '"version": 9'))
    with pytest.raises(UserError, match=r"is of another version \(9\)"):
        load(model)
