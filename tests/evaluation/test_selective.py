import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from fewshot.errors import UserError
from fewshot.evaluation.gallery import embed_gallery
from fewshot.evaluation.scorers import ClassifierScorer, HeadScorer
from fewshot.evaluation.selective import SelectiveClassification
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.heads.knn import KNN
from fewshot.heads.prototypes import NearestPrototype
from fewshot.sections import Note, Picture, Table
from tests.evaluation.fakes import FakeDataset, PixelClassifier, PixelObjective, random_dataset


def images(n, seed, classes="abc", unknown="", sure=12):
    """Rows whose own class' pixel is brighter; those of unknown classes have no brighter one."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(list(classes + unknown), n)
    pixels = generator.integers(100, 110, (n, 3))
    for row, label in enumerate(labels):
        if label in "abc":
            pixels[row, "abc".index(label)] += generator.integers(0, sure)
    return FakeDataset(pixels, labels.tolist(), first_id=seed * 10_000)


def splits(**options):
    return {
        "train": images(60, 1),
        "validation": images(400, 2, **options),
        "test": images(500, 3, unknown="xy"),
    }


def by_hand(dataset, temperature):
    """(confidence, right) of the pixel classifier."""
    logits = dataset.images(np.arange(len(dataset)))[:, 0, 0].double().numpy()
    chances = softmax(logits / temperature, axis=1)
    names = np.array(dataset.class_names)[dataset.labels]
    return chances.max(1), np.array(list("abc"))[logits.argmax(1)] == names, np.isin(names, "abc")


def test_figures_of_a_classifier_by_hand():
    data = splits()
    report = SelectiveClassification(precision=0.8)(PixelClassifier("abc"), data)
    figures = report.metrics["test"]["selective"]
    validation = report.metrics["validation"]["selective"]
    threshold, temperature = validation["threshold"], validation["temperature"]
    assert temperature > 1
    assert report.kept == {
        "threshold": threshold,
        "temperature": temperature,
        "mirrored": False,
        "shift": 0,
    }
    confidence, right, _ = by_hand(data["test"], temperature)
    names = np.array(data["test"].class_names)[data["test"].labels]
    known = np.isin(names, list("abc"))
    assert (figures["n"], figures["n_unknown"]) == (500, int((~known).sum()))
    equal = confidence.round(9)  # sums of the same numbers in another order
    assert figures["auroc_unknown"] == pytest.approx(roc_auc_score(known, equal))
    answered = confidence >= threshold
    assert figures["answered"] == answered.mean()
    assert figures["precision"] == right[answered].mean()
    assert figures["answered_known"] == answered[known].mean()
    assert figures["answered_unknown"] == answered[~known].mean()
    confidence, right, _ = by_hand(data["validation"], temperature)
    assert right[confidence >= threshold].mean() >= 0.8
    assert 0 < validation["answered"] < 1
    assert validation["precision"] >= 0.8
    assert figures["ece_after"] < figures["ece_before"]


def test_the_test_split_chooses_nothing():
    data = splits()
    objective, evaluator = PixelClassifier("abc"), SelectiveClassification(0.8)
    once = evaluator(objective, data).kept
    assert evaluator(objective, data | {"test": images(50, 9, unknown="xyz")}).kept == once


def test_a_threshold_that_cannot_be_met_is_said_and_not_kept():
    data = splits(sure=1)
    report = SelectiveClassification(0.99)(PixelClassifier("abc"), data)
    assert report.kept == {}
    assert report.metrics["validation"]["selective"]["threshold"] is None
    assert "answered" not in report.metrics["test"]["selective"]
    notes = [block.text for block in report.sections[0].blocks if isinstance(block, Note)]
    assert notes[0] == (
        "No threshold reaches that 0.99 of what is answered is right on validation: none is "
        "stored, and the model answers everything. Ask for less: bind "
        "SelectiveClassification.precision or false_accept_rate."
    )


def test_where_everything_may_be_answered_nothing_is_unknown():
    report = SelectiveClassification(0.3)(PixelClassifier("abc"), splits())
    assert report.kept["threshold"] == 0.0
    assert report.metrics["test"]["selective"]["answered"] == 1.0
    [note] = [block.text for block in report.sections[0].blocks if isinstance(block, Note)]
    assert note.endswith("is right on validation: nothing is unknown.")


def all_right():
    return FakeDataset([[200, 1, 1], [1, 200, 1], [1, 1, 200]] * 6, ["a", "b", "c"] * 6)


def test_validation_without_a_mistake_tells_neither_temperature_nor_threshold(caplog):
    caplog.set_level("INFO", logger="fewshot")
    data = splits() | {"validation": all_right()}
    report = SelectiveClassification()(PixelClassifier("abc"), data)
    assert report.kept == {}
    figures = report.metrics["validation"]["selective"]
    assert (figures["temperature"], figures["threshold"]) == (1.0, None)
    assert "answered" not in report.metrics["test"]["selective"]
    [note] = [block.text for block in report.sections[0].blocks if isinstance(block, Note)]
    assert note.startswith(
        "Confidence is not calibrated and stays at temperature 1: none of the 18 validation rows"
    )
    assert "main.validation_fraction" in note
    assert note in caplog.messages


def test_a_false_accept_rate_needs_no_mistake():
    data = splits() | {"validation": all_right()}
    report = SelectiveClassification(None, false_accept_rate=0.1)(PixelClassifier("abc"), data)
    assert report.kept["threshold"] > 0
    assert report.kept["temperature"] == 1.0
    [note] = [block.text for block in report.sections[0].blocks if isinstance(block, Note)]
    assert "not calibrated" in note and "the answer is 'unknown'" in note


def test_without_validation_there_is_no_threshold():
    data = splits()
    del data["validation"]
    report = SelectiveClassification()(PixelClassifier("abc"), data)
    assert report.kept == {}
    figures = report.metrics["test"]["selective"]
    assert figures["ece_before"] == figures["ece_after"]
    [note] = [block.text for block in report.sections[0].blocks if isinstance(block, Note)]
    assert note.startswith("There is no labelled validation split")


@pytest.mark.parametrize("unknown", ["", "xy"])
def test_a_false_accept_rate(unknown):
    data = splits(unknown=unknown)
    report = SelectiveClassification(None, false_accept_rate=0.2)(PixelClassifier("abc"), data)
    figures = report.metrics["validation"]["selective"]
    [note] = [block.text for block in report.sections[0].blocks if isinstance(block, Note)]
    assert "at most 0.2 of the images of unknown classes are answered" in note
    assert ("as they score without their class" in note) == (not unknown)
    if unknown:
        assert 0.15 < figures["answered_unknown"] <= 0.2
    assert report.metrics["test"]["selective"]["answered_unknown"] < 0.35


def test_pictures_tables_and_a_prefix(tmp_path):
    report = SelectiveClassification(0.8, prefix="own_")(PixelClassifier("abc"), splits())
    assert set(report.metrics["test"]) == {"own_selective"}
    folder = ExperimentFolder(tmp_path)
    for name, writer in report.artifacts.items():
        folder.write_with(name, writer)
    blocks = report.sections[0].blocks
    pictures = [block.name for block in blocks if isinstance(block, Picture)]
    assert pictures == ["own_risk_coverage.png", "own_reliability.png"]
    assert all((tmp_path / name).read_bytes()[:4] == b"\x89PNG" for name in pictures)
    [table] = [block for block in blocks if isinstance(block, Table)]
    assert table.name == "tables/own_selective_classification.csv"
    assert table.frame["split"].tolist() == ["validation", "test"]


@pytest.mark.parametrize("head", [NearestPrototype, lambda: KNN(3), lambda: KNN(1)])
def test_heads_over_a_gallery(head):
    data = {
        "train": random_dataset(90, seed=1, classes="abcd"),
        "validation": random_dataset(90, seed=2, classes="abcd", first_id=1000),
        "test": random_dataset(90, seed=3, first_id=2000),
    }
    report = SelectiveClassification(0.7, 0.5, head=head)(PixelObjective("abcd"), data)
    figures = report.metrics["test"]["selective"]
    assert figures["n_unknown"] == sum(name in "ef" for name in names_of(data["test"]))
    assert 0 <= figures["auroc_unknown"] <= 1
    assert all(0 <= figures[name] <= 1 for name in ("ece_before", "ece_after", "aurc"))
    assert set(report.kept) <= {"threshold", "temperature"}


def names_of(dataset):
    return [dataset.class_names[label] for label in dataset.labels]


def test_a_models_own_scores_are_what_it_answers_by():
    report = SelectiveClassification(0.3, head=NearestPrototype)(PixelClassifier("abc"), splits())
    assert report.metrics["validation"]["selective"]["threshold"] is not None
    assert report.kept == {}


def test_images_score_without_their_class_as_by_a_model_that_never_had_it():
    train, query = random_dataset(60, seed=1), random_dataset(30, seed=2, first_id=500)
    objective, rows, truth = PixelObjective(), np.arange(30), query.labels
    scorer = HeadScorer(objective, NearestPrototype(), embed_gallery(objective, train))
    found = torch.cat(list(scorer.without_own_class(query, rows, truth)))
    order = np.argsort(truth, kind="stable")
    for scores, row in zip(found, order, strict=True):
        kept = np.array([name != names_of(query)[row] for name in names_of(train)])
        images_left = train.images(np.flatnonzero(kept)).flatten(1)
        others = FakeDataset(images_left, np.array(names_of(train))[kept].tolist())
        reduced = embed_gallery(objective, others)
        alone = objective.embed(query.images(np.array([row])))
        expected = NearestPrototype()(reduced.features, reduced.labels, alone, 5)[0]
        torch.testing.assert_close(scores[scores.isfinite()], expected, rtol=1e-6, atol=1e-6)
    classifier = ClassifierScorer(PixelClassifier("abcdef"))
    masked = torch.cat(list(classifier.without_own_class(query, rows, truth)))
    assert masked[np.arange(30), truth].isinf().all()
    assert int(masked.isinf().sum()) == 30


def test_wrong_options():
    with pytest.raises(UserError, match=r"SelectiveClassification\.precision is 1: bind a share"):
        SelectiveClassification(1)
    with pytest.raises(UserError, match=r"false_accept_rate is 0\.0: bind a share between 0"):
        SelectiveClassification(None, 0.0)
    with pytest.raises(UserError, match="precision and false_accept_rate are both None: bind one"):
        SelectiveClassification(None)
    with pytest.raises(UserError, match=r"PixelObjective gives embeddings but no class scores: b"):
        SelectiveClassification().check(PixelObjective(), {})
