import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

from fewshot.errors import UserError
from fewshot.evaluation import retrieval_metrics
from fewshot.evaluation.retrieval import Retrieval
from fewshot.evaluation.retrieval_metrics import Searched, retrieval
from tests.evaluation.fakes import FakeDataset, PixelObjective, random_dataset


def side(n, seed, classes=5, d=6):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (n,), generator=generator)
    features = torch.randn(n, d, generator=generator) + labels.unsqueeze(1) * 0.5
    return Searched(features, labels)


@pytest.mark.parametrize("itself", [False, True])
@pytest.mark.parametrize("cells", [1, 300, 1 << 25])
def test_equals_pytorch_metric_learning(itself, cells, monkeypatch):
    monkeypatch.setattr(retrieval_metrics, "_CELLS", cells)
    query, gallery = side(70, 0, classes=7), side(110, 1)
    if itself:
        gallery = query
    found = retrieval(query, gallery, itself)
    reference = AccuracyCalculator(
        include=("precision_at_1", "mean_average_precision_at_r", "r_precision"),
        device=torch.device("cpu"),
        knn_func=CustomKNN(LpDistance(normalize_embeddings=False)),
    ).get_accuracy(
        query.features, query.labels, gallery.features, gallery.labels, ref_includes_query=itself
    )
    assert float(found["recall_at_1"].nanmean()) == pytest.approx(reference["precision_at_1"])
    assert float(found["r_precision"].nanmean()) == pytest.approx(reference["r_precision"])
    assert float(found["map_at_r"].nanmean()) == pytest.approx(
        reference["mean_average_precision_at_r"]
    )
    assert bool(found["map_at_r"].isnan().any()) is not itself


def test_recall_by_definition():
    query, gallery = side(40, 2), side(60, 3)
    found = retrieval(query, gallery)
    for i in range(40):
        order = (gallery.features - query.features[i]).norm(dim=1).argsort()
        for k in (1, 5, 10):
            hit = bool((gallery.labels[order[:k]] == query.labels[i]).any())
            assert float(found[f"recall_at_{k}"][i]) == float(hit)


@pytest.mark.parametrize("itself", [False, True])
def test_twins_are_not_found_on_request(itself):
    gallery = side(30, 4, classes=2)
    codes = torch.arange(30)
    codes[5] = codes[3]
    gallery = Searched(gallery.features, gallery.labels, codes)
    query = gallery if itself else Searched(gallery.features[:6], gallery.labels[:6], codes[:6])
    found = retrieval(query, gallery, itself)
    for i in range(6):
        kept = codes != codes[i]
        alone = retrieval(
            Searched(query.features[i : i + 1], query.labels[i : i + 1]),
            Searched(gallery.features[kept], gallery.labels[kept]),
        )
        for name, value in alone.items():
            torch.testing.assert_close(found[name][i : i + 1], value)


def test_a_gallery_smaller_than_ten():
    found = retrieval(side(3, 0, 1), side(2, 1, 1))
    assert float(found["recall_at_10"].mean()) == 1.0
    assert float(found["r_precision"].mean()) == 1.0


def test_evaluator_reports_every_split_and_the_test_table(tmp_path):
    datasets = {
        "train": random_dataset(60, seed=1, classes="abc"),
        "validation": random_dataset(20, seed=2, classes="abc"),
        "test": random_dataset(30, seed=3, classes="bcd"),
    }
    evaluation = Retrieval()(PixelObjective(), datasets)
    test = evaluation.metrics["test"]
    names = np.array(datasets["test"].class_names)[datasets["test"].labels]
    assert test["retrieval_n_without_match"] == (names == "d").sum()
    assert test["retrieval_n_queries"] == (names != "d").sum()
    assert 0 < test["retrieval_map_at_r"] <= test["retrieval_r_precision"] <= 1
    evaluation.artifacts["retrieval_per_class.csv"](tmp_path / "table.csv")
    table = pd.read_csv(tmp_path / "table.csv")
    assert table["class"].tolist() == ["b", "c", "d"]
    assert table["n"].sum() == 30
    weighted = (table["recall_at_1"] * table["n"])[:2].sum() / table["n"][:2].sum()
    assert weighted == pytest.approx(test["retrieval_recall_at_1"])


def test_within_the_split_with_cosine_and_without_duplicates():
    images = np.random.default_rng(0).integers(0, 255, (12, 8))
    twice = FakeDataset(np.concatenate([images, images]), ["a", "b"] * 12)
    duplicated = Retrieval("itself")(PixelObjective(), {"test": twice}).metrics["test"]
    assert duplicated["retrieval_recall_at_1"] == 1.0  # each finds its own copy
    clean = Retrieval("itself", "cosine", exclude_duplicates=True, prefix="clean_")
    found = clean(PixelObjective(), {"test": twice}).metrics["test"]
    once = Retrieval("itself", "cosine")(
        PixelObjective(), {"test": FakeDataset(images, ["a", "b"] * 6)}
    ).metrics["test"]
    assert found["clean_recall_at_1"] == pytest.approx(once["retrieval_recall_at_1"])


def test_wrong_options():
    with pytest.raises(UserError, match=r"Retrieval\.gallery is 'test': use one of train"):
        Retrieval("test")
    with pytest.raises(UserError, match=r"Retrieval\.metric is 'l1': use one of euclidean"):
        Retrieval(metric="l1")
    with pytest.raises(UserError, match="there is no training split"):
        Retrieval()(PixelObjective(), {"test": random_dataset(5)})


def test_a_gallery_of_its_own_is_searched():
    test, own = random_dataset(30, seed=1), random_dataset(50, seed=2, first_id=1000)
    found = Retrieval(gallery=lambda **_: own)(PixelObjective(), {"test": test})
    expected = Retrieval()(PixelObjective(), {"train": own, "test": test})
    assert found.metrics == expected.metrics
    with pytest.raises(UserError, match=r"30 ids are both in Retrieval\.gallery and in the test"):
        Retrieval(gallery=lambda **_: random_dataset(40, seed=1))(PixelObjective(), {"test": test})
