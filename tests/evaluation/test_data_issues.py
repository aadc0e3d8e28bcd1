"""Labels and twins that are doubted, against the rule's definition and planted faults."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.errors import UserError
from fewshot.evaluation.confident_learning import confident_classes, label_issues
from fewshot.evaluation.data_issues import DataIssues
from fewshot.evaluation.near_duplicates import near_duplicates
from fewshot.spreadsheet import read_csv
from tests.evaluation.fakes import FakeDataset, PixelObjective, random_rows


def by_definition(probabilities, labels):
    """The confident joint, row by row."""
    n_classes = probabilities.shape[1]
    thresholds = {
        j: np.mean([p[j] for p, label in zip(probabilities, labels, strict=True) if label == j])
        for j in range(n_classes)
        if j in labels
    }
    found = []
    for p in probabilities:
        above = [j for j, threshold in thresholds.items() if p[j] >= threshold - 1e-12]
        found.append(max(above, key=lambda j: p[j]) if above else -1)
    return found


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 5))
def test_confident_classes_are_those_of_the_definition(seed, n, n_classes):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(n_classes), n)
    labels = rng.integers(0, n_classes, n)
    expected = by_definition(probabilities, labels.tolist())
    assert confident_classes(probabilities, labels).tolist() == expected
    issues = label_issues(probabilities, labels).tolist()
    wrong = [i for i, j in enumerate(expected) if j not in (-1, labels[i])]
    assert issues == sorted(wrong, key=lambda i: (probabilities[i, labels[i]], i))


@pytest.fixture
def planted():
    """Rows of which some have another's label, and some another's pixels but for noise."""
    train_images, train_labels = random_rows(300, 12, 1, "abc")
    test_images, test_labels = random_rows(80, 12, 2, "abc")
    wrong = {"train": [3, 50, 200], "test": [5, 6]}
    for rows, labels in ((wrong["train"], train_labels), (wrong["test"], test_labels)):
        for row in rows:
            labels[row] = {"a": "b", "b": "c", "c": "a"}[labels[row]]
    test_images[70] = train_images[10]
    test_images[71] = np.clip(train_images[11] + 1, 0, 255)
    train_images[299] = train_images[0]
    datasets = {
        "test": FakeDataset(test_images, test_labels, first_id=1000),
        "train": FakeDataset(train_images, train_labels),
    }
    return datasets, wrong


def test_planted_labels_and_twins_are_found_and_written(planted, tmp_path):
    datasets, wrong = planted
    evaluation = DataIssues()(PixelObjective(), datasets)
    (tmp_path / "tables").mkdir()
    for name, writer in evaluation.artifacts.items():
        writer(tmp_path / name)
    issues = read_csv(tmp_path / "label_issues.csv", ("id", "label"))
    expected = [str(row) for row in wrong["train"]] + [str(1000 + row) for row in wrong["test"]]
    assert set(expected) <= set(issues["id"])
    assert len(issues) < 12
    assert issues["probability"].is_monotonic_increasing
    for line in issues.to_dict("records"):
        dataset = datasets[line["split"]]
        row = dataset.ids.tolist().index(line["id"])
        assert dataset.class_names[dataset.labels[row]] == line["label"] != line["suggested"]
    twins = read_csv(tmp_path / "near_duplicates.csv", ("id", "label", "other_id"))
    pairs = set(zip(twins["id"], twins["other_id"], strict=True))
    assert {("1070", "10"), ("1071", "11"), ("299", "0")} <= pairs
    assert twins["distance"].is_monotonic_increasing
    assert (twins["distance"] <= 0.1).all()
    figures = evaluation.metrics
    assert figures["train"]["label_issues"] + figures["test"]["label_issues"] == len(issues)
    assert [section.heading for section in evaluation.sections] == [
        *("Likely wrong labels", "Near duplicates")
    ]


def test_near_duplicates_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (60, 16))
    images[30:] = np.clip(images[:30] + rng.integers(-40, 40, (30, 16)), 0, 255)
    dataset = FakeDataset(images, ["a"] * 60)
    features = PixelObjective().embed(dataset.images(np.arange(60)))
    found = near_duplicates({"train": dataset}, {"train": features}, 0.3)
    pixels = images.astype(float)
    expected = {}
    for later in range(60):
        for earlier in range(later):
            contrast = max(8.0, min(pixels[later].std(), pixels[earlier].std()))
            apart = np.sqrt(((pixels[later] - pixels[earlier]) ** 2).mean()) / contrast
            if apart <= expected.get(later, (0.3,))[0]:
                expected[later] = (apart, earlier)
    assert len(expected) > 10
    assert dict(zip(found["row"], found["other_row"], strict=True)) == {
        later: earlier for later, (_, earlier) in expected.items()
    }
    np.testing.assert_allclose(
        found["distance"], sorted(apart for apart, _ in expected.values()), atol=1e-4
    )


def test_without_doubts_it_says_so():
    images, labels = random_rows(60, 12, 1, "ab")
    evaluation = DataIssues(distance=0)(PixelObjective(), {"train": FakeDataset(images, labels)})
    twins = evaluation.sections[1]
    assert twins.blocks[0].text == "None was found."
    assert pd.DataFrame(twins.blocks[1].frame).empty


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(UserError, match=r"DataIssues\.distance is -1: bind 0 or more"):
        DataIssues(distance=-1)
    images, labels = random_rows(20, 4, 1, "a")
    with pytest.raises(UserError, match="DataIssues needs training rows of two classes or more"):
        DataIssues()(PixelObjective(), {"train": FakeDataset(images, labels)})
