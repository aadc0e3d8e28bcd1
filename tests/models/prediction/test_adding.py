from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from fewshot.data.images.decode import decode_file
from fewshot.errors import UserError
from fewshot.heads.prototypes import simple_shot
from fewshot.models.extras import add_extras, as_plain
from fewshot.models.model_file import load_model, save_model, write
from fewshot.models.prediction.adding import add_classes, read_classes, remove_classes
from fewshot.models.prediction.predictor import load
from fewshot.objectives.rotation_net import RotationNet
from tests.objectives.toy import ToyEncoder, images, spec

SIZE = (16, 16)


def new_classes(count=2, shots=4):
    return {
        f"New {i}": np.clip(images(shots, 3, SIZE, seed=i).numpy() // (i + 1), 0, 255)
        for i in range(count)
    }


def support_of(model, classes):
    features = torch.cat([model.embed(part) for part in classes.values()])
    labels = torch.cat([torch.full((len(part),), i) for i, part in enumerate(classes.values())])
    return features, labels


def test_added_classes_are_told_apart_as_few_shot_evaluation_does(model_path):
    model, classes = load(model_path), new_classes(3)
    richer = add_classes(model, classes)
    assert richer.class_names == ("Bags", "Hats", "Socks", "New 0", "New 1", "New 2")
    assert richer.added == ("New 0", "New 1", "New 2")
    query = images(40, 3, SIZE, seed=9)
    cosines = simple_shot(
        *support_of(model, classes), model.embed(query), 3, model.extras.prototypes.mean
    )
    found = richer.probabilities(query)
    assert torch.equal(found[:, 3:].argsort(1), cosines.argsort(1))
    torch.testing.assert_close(found.sum(1), torch.ones(40, dtype=torch.float64))


def test_the_models_own_classes_keep_their_shares_of_what_is_left(model_path):
    model = load(model_path)
    query = images(10, 3, SIZE, seed=9)
    before = model.probabilities(query)
    after = add_classes(model, new_classes()).probabilities(query)[:, :3]
    torch.testing.assert_close(after / after.sum(1, keepdim=True), before)


def test_any_added_class_is_likely_as_the_softmax_of_all_whitened_cosines_says(model_path):
    model, classes = load(model_path), new_classes(2)
    query = images(10, 3, SIZE, seed=9)
    own = model.extras.prototypes
    assert not torch.allclose(own.whitening, torch.eye(len(own.mean)), atol=1e-3)

    def directions(pixels):
        return normalize((model.embed(pixels) - own.mean) @ own.whitening)

    new = [normalize(directions(part).mean(0), dim=0) for part in classes.values()]
    cosines = directions(query) @ torch.cat([own.features, torch.stack(new)]).T
    expected = (cosines.double() / own.temperature).softmax(1)[:, 3:].sum(1)
    found = add_classes(model, classes).probabilities(query)[:, 3:].sum(1)
    torch.testing.assert_close(found, expected)


def test_prototypes_of_the_first_kind_are_compared_as_they_are(model_path):
    add_extras(model_path, {"prototypes": {**plain_prototypes(model_path), "whitening": None}})
    model, classes = load(model_path), new_classes(1)
    query = images(10, 3, SIZE, seed=9)
    own = model.extras.prototypes
    new = normalize(normalize(model.embed(classes["New 0"]) - own.mean).mean(0), dim=0)
    cosines = normalize(model.embed(query) - own.mean) @ torch.cat([own.features, new[None]]).T
    expected = (cosines.double() / own.temperature).softmax(1)[:, 3]
    torch.testing.assert_close(add_classes(model, classes).probabilities(query)[:, 3], expected)


def plain_prototypes(path):
    return as_plain(load(path).extras.prototypes)


def test_one_portable_file_and_back(model_path, tmp_path):
    add_extras(model_path, {"threshold": 0.1, "other": "stays"})
    model = load(model_path)
    query = images(5, 3, SIZE, seed=9)
    one = add_classes(model, new_classes(1))
    one.save(tmp_path / "one.mdl")
    two = add_classes(load(tmp_path / "one.mdl"), {"More": images(2, 3, SIZE, seed=4)})
    two.save(tmp_path / "two.mdl")
    again = load(tmp_path / "two.mdl")
    assert again.class_names == ("Bags", "Hats", "Socks", "New 0", "More")
    torch.testing.assert_close(again.probabilities(query), two.probabilities(query))
    assert (again.threshold, again.module.stored.extras["other"]) == (0.1, "stays")
    remove_classes(again, ["More", "New 0"]).save(tmp_path / "none.mdl")
    assert torch.equal(load(tmp_path / "none.mdl").probabilities(query), model.probabilities(query))
    assert "added" not in load_model(tmp_path / "none.mdl").extras


def test_a_model_without_classes_knows_the_added_ones_alone(tmp_path):
    path = tmp_path / "model.mdl"
    save_model(RotationNet(spec(size=SIZE, channels=3), ToyEncoder), path)
    model, classes = load(path), new_classes(2)
    found = add_classes(model, classes)
    query = images(20, 3, SIZE, seed=9)
    cosines = simple_shot(*support_of(model, classes), model.embed(query), 2)
    assert torch.equal(found.probabilities(query).argmax(1), cosines.argmax(1))
    assert found.class_names == ("New 0", "New 1")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Hats", r"'Hats' is a class that '.*' was trained on: choose another name"),
        ("New 0", r"'New 0' was added to '.*' before: --remove 'New 0' first"),
        ("unknown", r"'unknown' cannot be the name of a class"),
        ("", r"'' cannot be the name of a class"),
    ],
)
def test_a_name_that_is_taken_is_refused(model_path, name, message):
    model = add_classes(load(model_path), new_classes(1))
    with pytest.raises(UserError, match=message):
        add_classes(model, {name: images(2, 3, SIZE)})


def test_only_added_classes_can_be_removed(model_path):
    model = add_classes(load(model_path), new_classes(1))
    with pytest.raises(UserError, match=r"'Hats' was not added .*it was trained on it.*: New 0"):
        remove_classes(model, ["Hats"])
    with pytest.raises(UserError, match=r"'Caps' was not added to '.*'\. Added were: none"):
        remove_classes(load(model_path), ["Caps"])


def test_a_model_without_prototypes_cannot_compare(model_path):
    stored = load_model(model_path)
    write(replace(stored, extras={}), model_path)
    with pytest.raises(UserError, match=r"keeps no prototypes of its classes"):
        add_classes(load(model_path), new_classes(1))


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "new"
    rng = np.random.default_rng(0)
    for name, count in (("Caps", 5), ("Belts", 2)):
        (place / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / name / f"{i}.png")
    return place


def test_a_folder_a_class(model_path, folder):
    model = load(model_path)
    found = read_classes(model, folder)
    assert list(found) == ["Belts", "Caps"]
    expected = decode_file(folder / "Caps/3.png", model.image_format)
    np.testing.assert_array_equal(found["Caps"][3], expected)


def test_broken_photos_are_named_and_the_others_do(model_path, folder, caplog):
    for i in (0, 2, 4):
        (folder / "Caps" / f"{i}.png").write_bytes(b"no picture")
    assert len(read_classes(load(model_path), folder)["Caps"]) == 2
    assert "'Caps' is added from 2 of 5 photos; could not be read: " in caplog.text
    assert "0.png (not an image)" in caplog.text


@pytest.mark.parametrize("name", ["Linked", "Belts "])
def test_two_folders_of_one_name_or_of_the_same_photos_are_refused(model_path, folder, name):
    if name == "Linked":
        (folder / name).symlink_to("Caps")
    else:
        (folder / name).mkdir()
    told = "Caps, Linked" if name == "Linked" else "Belts"
    with pytest.raises(UserError, match=f"two folders of one name, or .* by a link: {told}. Give"):
        read_classes(load(model_path), folder)


def test_folders_of_which_nothing_can_be_made_are_refused(model_path, folder, tmp_path):
    model = load(model_path)
    (folder / "Empty").mkdir()
    (folder / "Empty" / "notes.txt").write_text("nothing")
    with pytest.raises(UserError, match=r"no photo of 'Empty' can be read: 0 pictures, 1 left out"):
        read_classes(model, folder)
    (folder / "Empty" / "a.jpg").touch()
    with pytest.raises(UserError, match=r"broken: .*a\.jpg \(the file is empty\)\. Put a few"):
        read_classes(model, folder)
    with pytest.raises(UserError, match=r"holds no folders: put the photos of each new class"):
        read_classes(model, folder / "Caps")
    with pytest.raises(UserError, match=r"is no folder: give one that holds a folder"):
        read_classes(model, tmp_path / "none")
    (folder / "Hats").mkdir()
    with pytest.raises(UserError, match=r"'Hats' is a class that"):
        read_classes(model, folder)
