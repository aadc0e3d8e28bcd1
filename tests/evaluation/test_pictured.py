"""The images that a report shows of a classifier, against brute force."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import softmax

from fewshot.evaluation import pictured as module
from fewshot.evaluation.classification import Classification
from fewshot.evaluation.gallery_classification import KNNClassification
from fewshot.evaluation.thumbnails import Sheet
from fewshot.sections import Images, Matrix
from tests.evaluation.fakes import FakeDataset, PixelClassifier, PixelObjective, random_dataset


@pytest.fixture
def datasets():
    return {
        "train": random_dataset(120, seed=1, classes="abcd"),
        "test": random_dataset(60, seed=3, classes="bcde", first_id=1000),
    }


def blocks(evaluation):
    return {section.heading: section.blocks[0] for section in evaluation.whole().sections}


def embedded(dataset):
    return dataset.images(np.arange(len(dataset))).flatten(1).numpy().astype(float)


def probabilities(dataset):
    """Of the class that each image is taken for, by a pixel classifier of four classes."""
    return softmax(embedded(dataset)[:, :4], axis=1).max(1).astype(np.float32)


def names(dataset):
    return np.array(dataset.class_names)[dataset.labels]


def test_galleries_cost_nothing_until_they_are_asked_for(datasets):
    class Counting(PixelClassifier):
        asked = 0

        def embed(self, images):
            self.asked += len(images)
            return super().embed(images)

    objective = Counting("abcd")
    evaluation = Classification()(objective, datasets)
    before = objective.asked
    assert "Most confident mistakes" not in {found.heading for found in evaluation.sections}
    evaluation.whole()
    assert objective.asked > before


def test_mistakes_stand_beside_the_nearest_training_images_of_either_class(datasets):
    evaluation = Classification()(PixelClassifier("abcd"), datasets)
    frame = blocks(evaluation)["Most confident mistakes"].frame
    train, test = datasets["train"], datasets["test"]
    scores, sure = embedded(test)[:, :4], probabilities(test)
    wrong = np.flatnonzero(np.array(list("abcd"))[scores.argmax(1)] != names(test))
    surest = wrong[np.argsort(-sure[wrong], kind="stable")[:12]]
    asked = frame.groupby("row", sort=False).first()
    assert asked["id"].tolist() == test.ids[surest].tolist()
    assert (asked["verdict"] == "wrong").all()
    for row, (heading, lines) in zip(surest, frame.groupby("row", sort=False), strict=True):
        true, predicted = names(test)[row], "abcd"[scores[row].argmax()]
        told = f"{test.ids[row]}: {true}, taken for {predicted} (probability {sure[row]:.4f})"
        assert heading == told
        apart = ((embedded(train) - embedded(test)[row]) ** 2).sum(1)
        expected = []
        for name in (true, predicted):
            mine = np.flatnonzero(names(train) == name)
            expected += mine[np.argsort(apart[mine], kind="stable")[:3]].tolist()
        assert lines["id"].tolist()[1:] == train.ids[expected].tolist()
        assert lines["caption"].tolist()[1:] == names(train)[expected].tolist()


def test_nearest_training_images_are_right_where_their_class_is(datasets):
    evaluation = KNNClassification(k=3)(PixelObjective(), datasets)
    block = blocks(evaluation)["Nearest training images"]
    train, test = datasets["train"], datasets["test"]
    place = {image_id: row for row, image_id in enumerate(test.ids)}
    for _, lines in block.frame.groupby("row", sort=False):
        row = place[lines["id"].iloc[0]]
        apart = ((embedded(train) - embedded(test)[row]) ** 2).sum(1)
        nearest = np.argsort(apart, kind="stable")[:6]
        assert lines["id"].tolist()[1:] == train.ids[nearest].tolist()
        right = np.where(names(train)[nearest] == names(test)[row], "right", "wrong")
        assert lines["verdict"].tolist()[1:] == right.tolist()
    assert block.note == "A few images; the nearest are found among all 120 training images."


def test_a_number_beside_a_mistake_is_said_to_be_what_it_is(datasets):
    sure = blocks(Classification()(PixelClassifier("abcd"), datasets))["Most confident mistakes"]
    assert sure.note.startswith("The probability is that of the class it was taken for, not cal")
    votes = blocks(KNNClassification(k=3)(PixelObjective(), datasets))["Most confident mistakes"]
    assert "(score 0.6667)" in " ".join(votes.frame["row"])
    assert votes.note.startswith("The score is the head's own, for k-NN the share of the votes")
    assert votes.note.endswith(" The nearest are found among all 120 training images.")


def test_only_a_part_of_a_large_training_split_is_searched(datasets, monkeypatch):
    evaluation = KNNClassification(k=3, max_references=30)(PixelObjective(), datasets)
    assert "among 30 of 120 training images" in blocks(evaluation)["Most confident mistakes"].note


def test_cells_hold_what_fell_there_the_surest_first(datasets):
    evaluation = Classification()(PixelClassifier("abcd"), datasets)
    matrix = blocks(evaluation)["Confusion matrix"]
    assert isinstance(matrix, Matrix)
    test = datasets["test"]
    scores = embedded(test)[:, :4]
    fell = pd.DataFrame(
        {
            "true class": names(test),
            "taken for": np.array(list("abcd"))[scores.argmax(1)],
            "id": test.ids,
            "sureness": probabilities(test),
        }
    )
    cells = ["true class", "taken for"]
    counts = matrix.frame.set_index(cells)["images"]
    assert counts.to_dict() == fell.groupby(cells).size().to_dict()
    for cell, lines in matrix.shown.frame.groupby(cells):
        mine = fell[(fell[cells] == list(cell)).all(axis=1)]
        surest = mine.sort_values("sureness", ascending=False, kind="stable")
        assert lines["id"].tolist() == surest["id"].tolist()
        said = [f"probability {sure:.4f}" for sure in surest["sureness"]]
        assert lines["caption"].tolist() == said


def test_every_cell_gets_a_thumbnail_before_any_gets_two(datasets, monkeypatch):
    evaluation = Classification()(PixelClassifier("abcd"), datasets)
    n_cells = len(blocks(evaluation)["Confusion matrix"].frame)
    monkeypatch.setattr(module, "_THUMBNAILS", 84 + n_cells)
    matrix = blocks(Classification()(PixelClassifier("abcd"), datasets))["Confusion matrix"]
    sizes = matrix.shown.frame.groupby(["true class", "taken for"]).size()
    assert len(sizes) == n_cells


def test_thumbnails_are_the_images_in_their_tiles(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (50, 3, 8, 6)).repeat(9, 2).repeat(9, 3)
    train = FakeDataset(images, ["a"] * 50)
    train._images = train._images.reshape(50, 3, 72, 54)
    train.channels, train.image_size = 3, (72, 54)
    sheet = Sheet("thumbnails.jpg", {"train": train}, limit=45)
    assert sheet.tiles("train", [7, 3, 7]) == [0, 1, 0]
    assert sheet.tiles("train", range(50)).count(None) == 5
    layout = sheet.thumbnails
    assert (layout.width, layout.height, layout.columns) == (48, 64, 40)
    sheet.write(tmp_path / "thumbnails.jpg")
    with Image.open(tmp_path / "thumbnails.jpg") as found:
        assert found.size == (40 * 48, 2 * 64)
        pixels = np.asarray(found.convert("RGB"), float)
    for tile, row in ((0, 7), (1, 3), (2, 0)):
        whole = Image.fromarray(train._images[row].permute(1, 2, 0).numpy())
        small = np.asarray(whole.resize((48, 64), Image.Resampling.BILINEAR), float)
        assert np.abs(pixels[:64, tile * 48 : tile * 48 + 48] - small).mean() < 12


def test_without_training_rows_there_is_nothing_near(datasets):
    del datasets["train"]
    found = blocks(Classification()(PixelClassifier("abcd"), datasets))
    frame = found["Most confident mistakes"].frame
    assert not frame["row"].duplicated().any()
    assert isinstance(found["Most confident mistakes"], Images)
