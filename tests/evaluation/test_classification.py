import gin
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch.nn import functional as F

from fewshot.augmentation.test_time import averaged
from fewshot.errors import UserError
from fewshot.evaluation import ranking
from fewshot.evaluation.classification import Classification
from fewshot.evaluation.embedding_map import EmbeddingMap
from fewshot.evaluation.gallery import stratified_rows
from fewshot.evaluation.gallery_classification import GalleryClassification, KNNClassification
from fewshot.evaluation.retrieval import Retrieval
from fewshot.heads.prototypes import NearestPrototype
from tests.evaluation.fakes import FakeDataset, PixelClassifier, PixelObjective, random_dataset


@pytest.fixture
def datasets():
    return {
        "train": random_dataset(120, seed=1, classes="abcd"),
        "validation": random_dataset(30, seed=2, classes="abcd", first_id=500),
        "test": random_dataset(40, seed=3, classes="bcde", first_id=1000),
    }


def test_classification_scores_every_split_but_train(datasets, tmp_path):
    evaluation = Classification()(PixelClassifier("abcd"), datasets).whole()
    assert set(evaluation.metrics) == {"validation", "test"}
    test = datasets["test"]
    names = np.array(test.class_names)[test.labels]
    guessed = np.array(list("abcd"))[
        test.images(np.arange(40)).flatten(1)[:, :4].float().argmax(1).numpy()
    ]
    assert evaluation.metrics["test"]["top1"] == pytest.approx((names == guessed).mean())
    assert evaluation.metrics["test"]["ceiling"] == pytest.approx((names != "e").mean())
    assert evaluation.metrics["test"]["loss"] > 0
    (tmp_path / "tables").mkdir()
    for name, writer in evaluation.artifacts.items():
        writer(tmp_path / name)
    per_class = pd.read_csv(tmp_path / "per_class.csv")
    assert per_class["class"].tolist() == list("abcde")
    assert per_class["n_train"].sum() == 120
    assert per_class.set_index("class").loc["e", "n_train"] == 0
    predictions = pd.read_csv(tmp_path / "predictions.csv")
    assert predictions["id"].tolist() == list(range(1000, 1040))
    assert (tmp_path / "confusion_matrix.png").read_bytes()[:4] == b"\x89PNG"
    headings = [section.heading for section in evaluation.sections]
    assert headings == [
        *("Per class, test split", "Worst confusions", "Confusion matrix"),
        "Most confident mistakes",
    ]


def test_without_a_test_split_the_files_are_of_validation(datasets):
    del datasets["test"]
    evaluation = Classification("c_", include_train=True)(PixelClassifier("abcd"), datasets)
    evaluation = evaluation.whole()
    assert evaluation.sections[0].heading == "Per class (c), validation split"
    assert set(evaluation.metrics) == {"train", "validation"}
    assert set(evaluation.artifacts) == {
        "c_thumbnails.jpg", "tables/c_confusion_matrix.csv",
        "tables/c_confusion_matrix_images.csv", "tables/c_most_confident_mistakes.csv",
        "c_per_class.csv", "c_predictions.csv", "c_confusion_matrix.png",
        "c_train_confusion_matrix.png", "tables/c_worst_confusions.csv",
    }  # fmt: skip
    assert {"n", "c_top1", "c_seen"} <= set(evaluation.metrics["train"])


def test_every_split_has_its_own_confusion_matrix(datasets, tmp_path):
    evaluation = Classification(include_train=True)(PixelClassifier("abcd"), datasets)
    pictures = set()
    for split in ("train_", "validation_", ""):
        path = tmp_path / f"{split}confusion_matrix.png"
        evaluation.artifacts[path.name](path)
        pictures.add(path.read_bytes())
    assert len(pictures) == 3


def test_mirrored_scores_are_the_mean_of_both_sides(datasets):
    objective, test = PixelClassifier("abcd"), datasets["test"]
    images = test.images(np.arange(len(test)))
    scores = (objective.scores(images) + objective.scores(images.flip(-1))) / 2
    names = np.array(test.class_names)[test.labels]
    right = np.array(list("abcd"))[scores.argmax(1).numpy()] == names
    found = Classification(mirrored=True)(objective, datasets).metrics["test"]["top1"]
    assert found == pytest.approx(right.mean())
    assert found != Classification()(objective, datasets).metrics["test"]["top1"]


def test_shifted_scores_are_the_mean_over_five_places(datasets):
    images = datasets["test"].images(np.arange(4)).float()

    def places(corners):
        padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
        height, width = images.shape[2:]
        return [padded[:, :, t : t + height, f : f + width].flatten(1) for t, f in corners]

    moved = places([(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)])
    found = averaged(lambda seen: seen.flatten(1), mirrored=False, shift=1)(images)
    torch.testing.assert_close(found, torch.stack(moved).mean(0))


def test_figures_of_shifted_and_mirrored_images(datasets):
    objective, test = PixelClassifier("abcd"), datasets["test"]
    images = test.images(np.arange(len(test)))
    moved = [images]
    for axis in (2, 3):
        for pixels, kept in ((1, 0), (-1, images.shape[axis] - 1)):
            rolled = images.roll(pixels, axis)
            rolled.narrow(axis, kept, 1).copy_(images.narrow(axis, kept, 1))
            moved.append(rolled)
    scores = sum(
        objective.scores(variant) + objective.scores(variant.flip(-1)) for variant in moved
    )
    names = np.array(test.class_names)[test.labels]
    right = np.array(list("abcd"))[scores.argmax(1).numpy()] == names
    found = Classification(mirrored=True, shift=1)(objective, datasets).metrics["test"]
    assert found["top1"] == pytest.approx(right.mean())
    for other in (Classification(mirrored=True), Classification(shift=1)):
        assert other(objective, datasets).metrics["test"]["loss"] != found["loss"]


def test_a_negative_shift_is_refused():
    with pytest.raises(UserError, match=r"Classification\.shift is -1: bind 0 or more pixels"):
        Classification(shift=-1)


def test_nothing_to_score_is_no_report(datasets):
    evaluation = Classification()(PixelClassifier("abcd"), {"train": datasets["train"]})
    assert not evaluation.metrics
    assert not evaluation.artifacts


def test_knn_equals_scikit_learn(datasets):
    evaluation = KNNClassification(k=7, weights="distance")(PixelObjective(), datasets)
    train, test = datasets["train"], datasets["test"]
    pixels = [d.images(np.arange(len(d))).flatten(1).numpy().astype(float) for d in (train, test)]
    reference = KNeighborsClassifier(7, weights="distance").fit(
        pixels[0], np.array(train.class_names)[train.labels]
    )
    truth = np.array(test.class_names)[test.labels]
    assert evaluation.metrics["test"]["top1"] == pytest.approx(
        (reference.predict(pixels[1]) == truth).mean()
    )
    assert evaluation.metrics["test"]["ceiling"] == pytest.approx((truth != "e").mean())
    assert "loss" not in evaluation.metrics["test"]


def test_prefix_and_head(datasets):
    head = GalleryClassification(NearestPrototype, prefix="proto_")
    evaluation = head(PixelObjective(), datasets)
    assert "proto_top1" in evaluation.metrics["validation"]
    assert "proto_confusion_matrix.png" in evaluation.artifacts
    assert evaluation.metrics["test"]["n"] == 40


def test_groups_joint_and_closed(datasets):
    part = random_dataset(10, seed=3, classes="bc")
    knn = KNNClassification(k=3, prefix="knn_", groups={"rare": ["d", "e"], "top": lambda: part})
    found = knn(PixelObjective(), datasets)
    groups = found.metrics["test"]["knn_groups"]
    assert "knn_groups" not in found.metrics["validation"]
    train, test = datasets["train"], datasets["test"]
    names = np.array(test.class_names)[test.labels]
    kept = np.isin(names, ["b", "c"])
    assert groups["top"]["joint"]["n"] == groups["top"]["closed"]["n"] == kept.sum()
    own = np.isin(np.array(train.class_names)[train.labels], ["b", "c"])
    pixels = [d.images(np.arange(len(d))).flatten(1).numpy().astype(float) for d in (train, test)]
    reference = KNeighborsClassifier(3).fit(pixels[0][own], train.labels[own])
    guessed = np.array(train.class_names)[reference.predict(pixels[1][kept])]
    assert groups["top"]["closed"]["top1"] == pytest.approx((guessed == names[kept]).mean())
    assert groups["top"]["closed"]["top1"] >= groups["top"]["joint"]["top1"]
    # "d" is the only trained class of the closed group, so all its rows are right.
    assert groups["rare"]["closed"]["top1"] == groups["rare"]["closed"]["ceiling"]


def test_a_group_without_rows_is_refused(datasets):
    with pytest.raises(UserError) as error:
        KNNClassification(groups={"none": ["a"]})(PixelObjective(), datasets)
    assert str(error.value).startswith("group 'none' of KNNClassification.groups has 0 test rows")


def test_max_references_is_deterministic_and_stratified():
    labels = np.repeat([0, 1, 2, 3], [700, 200, 99, 1])
    rows = stratified_rows(labels, 100)
    assert len(rows) == 100
    assert np.bincount(labels[rows]).tolist() == pytest.approx([70, 20, 10, 1], abs=1)
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(rows, stratified_rows(labels, 100))
    assert len(stratified_rows(labels, 2)) == 4  # one of every class at least
    assert stratified_rows(np.array([-1, 0, 0]), None).tolist() == [1, 2]
    with pytest.raises(UserError, match="max_references is 0"):
        stratified_rows(labels, 0)


def test_an_unlabelled_gallery_is_refused(datasets):
    datasets["train"] = FakeDataset(np.zeros((3, 8)), [None] * 3)
    for given in (datasets, {"test": datasets["test"]}):
        with pytest.raises(UserError, match="no labelled training row to compare with"):
            KNNClassification()(PixelObjective(), given)


@pytest.mark.parametrize("prefix", ["../out_", "/tmp/x", "a/b_", "..", ".hidden_", "a b", "é_", 3])
@pytest.mark.parametrize("evaluator", [Classification, KNNClassification, Retrieval, EmbeddingMap])
def test_a_prefix_that_is_no_part_of_a_file_name_is_refused(evaluator, prefix):
    with pytest.raises(
        UserError, match=rf"{evaluator.__name__}\.prefix is .*: it begins file names"
    ):
        evaluator(prefix=prefix)


def test_a_split_without_labels_is_predicted_without_figures(datasets, tmp_path):
    datasets["test"] = FakeDataset(datasets["test"].images(np.arange(40)), [None] * 40)
    for evaluator in (Classification(), KNNClassification(k=3)):
        evaluation = evaluator(PixelClassifier("abcd"), datasets)
        assert evaluation.metrics["test"] == {"n_unlabelled": 40}
        assert list(evaluation.artifacts) == ["predictions.csv"]
        section = evaluation.sections[0]
        assert section.heading == "Predictions, test split"
        assert section.blocks[0].text == (
            "40 images were predicted; none has a label: predictions.csv"
        )
        evaluation.artifacts["predictions.csv"](tmp_path / "predictions.csv")
        assert len(pd.read_csv(tmp_path / "predictions.csv")) == 40
    found = Retrieval()(PixelObjective(), datasets)
    assert set(found.metrics) == {"validation"}


def no_head(support, labels):
    return support


@pytest.mark.parametrize(
    "wrong", [torch.nn.Linear, lambda: torch.nn.Linear(2, 3), lambda: no_head, dict]
)
def test_what_is_no_head_is_refused(wrong):
    with pytest.raises(UserError, match=r"GalleryClassification\.head is .*which is no head: bind"):
        GalleryClassification(wrong)


def test_thousands_of_classes_are_classified_in_parts(monkeypatch, datasets):
    whole = KNNClassification(k=3)(PixelObjective(), datasets)
    monkeypatch.setattr(ranking, "_CELLS", 12)
    parts = KNNClassification(k=3)(PixelObjective(), datasets)
    assert parts.metrics == whole.metrics
    pd.testing.assert_frame_equal(
        parts.sections[0].blocks[0].frame, whole.sections[0].blocks[0].frame
    )


def test_bound_by_name():
    with gin.unlock_config():
        gin.parse_config("KNNClassification.k = 9\nKNNClassification.prefix = 'knn_'")
    evaluator = gin.get_configurable("KNNClassification")()
    gin.clear_config()
    assert (evaluator.head.k, evaluator.prefix, evaluator.monitors) == (9, "knn_", True)
