import itertools
import logging
import sys

import numpy as np
import pytest
from openTSNE import TSNE

from fewshot import progress
from fewshot.errors import UserError
from fewshot.evaluation.embedding_map import EmbeddingMap
from fewshot.evaluation.projection import project
from tests.evaluation.fakes import FakeDataset, PixelClassifier, PixelObjective, random_dataset


def clusters(n=40, d=5):
    generator = np.random.default_rng(0)
    centres = 20 * generator.normal(size=(2, d))
    return np.repeat(centres, n // 2, 0) + generator.normal(size=(n, d))


@pytest.mark.parametrize("method", ["pca", "tsne", "umap"])
def test_projection_keeps_clusters_apart_and_repeats(method, monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")  # to compile umap takes a minute
    points = project(clusters(24), method)
    assert points.shape == (24, 2)
    np.testing.assert_array_equal(points, project(clusters(24), method))
    within = np.linalg.norm(points[:12] - points[:12].mean(0), axis=1).max()
    assert np.linalg.norm(points[:12].mean(0) - points[12:].mean(0)) > within


def test_pca_is_the_projection_on_the_leading_axes():
    features = clusters()
    points = project(features, "pca")
    spread = np.linalg.eigvalsh(np.cov(features.T))[::-1][:2]
    np.testing.assert_allclose(points.var(0, ddof=1), spread)


def test_the_time_left_of_a_map_is_that_of_its_rounds(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "fewshot")
    passed = itertools.count()  # a second at each look at the clock
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(passed))
    search = TSNE.prepare_initial

    def slow(*given):
        for _ in range(1_000):
            next(passed)
        return search(*given)

    monkeypatch.setattr(TSNE, "prepare_initial", slow)
    project(clusters(), "tsne")
    first, *_, last = (record.getMessage() for record in caplog.records)
    assert first == "t-SNE: 100 of 750 rounds, about 72 s left"
    assert last == "t-SNE: 700 of 750 rounds, about 5 s left"


@pytest.mark.parametrize("shape", [(1, 4), (2, 1), (9, 3)])
def test_few_rows_are_drawn_whatever_the_method(shape):
    points = project(np.arange(np.prod(shape)).reshape(shape), "tsne")
    assert points.shape == (shape[0], 2)
    assert np.isfinite(points).all()


def test_wrong_or_missing_method(monkeypatch):
    with pytest.raises(UserError) as error:
        project(clusters(), "mds")
    assert str(error.value) == "EmbeddingMap.method is 'mds': use one of tsne, pca, umap."
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UserError, match="umap-learn is not installed: pip install umap-learn"):
        project(clusters(), "umap")


@pytest.fixture
def written(monkeypatch):
    """What reaches the drawing functions."""
    calls = {}
    names = ("embedding_png", "embedding_html")
    stub = {name: lambda *args, name=name: calls.__setitem__(name, args) for name in names}
    monkeypatch.setitem(sys.modules, "fewshot.reports.maps", type("maps", (), stub))
    return calls


def test_map_of_the_test_split_with_nearest_neighbour_predictions(written, tmp_path):
    datasets = {"train": random_dataset(80, seed=1), "test": random_dataset(50, seed=2)}
    evaluation = EmbeddingMap("pca", max_points=30)(PixelObjective(), datasets).whole()
    assert not evaluation.metrics
    assert set(evaluation.artifacts) == {"embedding.png", "embedding.html"}
    for name, writer in evaluation.artifacts.items():
        writer(tmp_path / name)
    points, labels, predictions, ids, images, path = written["embedding_html"]
    assert points.shape == (30, 2)
    assert path == tmp_path / "embedding.html"
    test = datasets["test"]
    rows = [int(i) for i in ids]
    assert labels == [test.class_names[test.labels[row]] for row in rows]
    assert images.shape == (30, 1, 8, 1)
    np.testing.assert_array_equal(images[:, 0, :, 0], test.images(np.array(rows))[:, 0, 0])
    assert np.mean([a == b for a, b in zip(labels, predictions, strict=True)]) > 0.6
    assert written["embedding_png"][1] == labels


def test_predictions_are_the_classifiers_own_or_none(written, tmp_path):
    data = random_dataset(12)
    for objective, expected in ((PixelClassifier("a"), ["a"] * 12), (PixelObjective(), [""] * 12)):
        found = EmbeddingMap("pca")(objective, {"validation": data}).whole()
        found.artifacts["embedding.html"](tmp_path)
        assert written["embedding_html"][2] == expected


def test_unlabelled_split_and_no_split(written, tmp_path):
    data = FakeDataset(np.eye(6), [None] * 6)
    found = EmbeddingMap("pca")(PixelObjective(), {"test": data}).whole()
    found.artifacts["embedding.png"](tmp_path)
    assert written["embedding_png"][1] == ["unlabelled"] * 6
    assert not EmbeddingMap()(PixelObjective(), {"train": random_dataset(3)}).whole().artifacts
