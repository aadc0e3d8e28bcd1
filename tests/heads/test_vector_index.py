"""The index of many vectors against comparing with all of them."""

import sys

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from fewshot.errors import UserError
from fewshot.heads import approximate, vector_index
from fewshot.heads.knn import KNN, knn
from fewshot.heads.vector_index import VectorIndex, built, exact, opened, recall

WIDTH = 16


def clustered(rows, seed):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(20, WIDTH))
    labels = rng.integers(20, size=rows)
    found = centres[labels] + 0.4 * rng.normal(size=(rows, WIDTH))
    return (3 * found).astype(np.float32), labels


@pytest.fixture(scope="module")
def gallery():
    return clustered(6000, 1)


@pytest.fixture(scope="module")
def indexes(gallery):
    return {metric: built(gallery[0], metric) for metric in ("euclidean", "cosine")}


def true_neighbours(features, query, metric, k=10):
    distances = cdist(query, features, "sqeuclidean" if metric == "euclidean" else metric)
    rows = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(distances, rows, 1)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_it_finds_most_of_the_neighbours_and_says_how_many(gallery, indexes, metric):
    query = clustered(300, 2)[0]
    rows, distances = true_neighbours(gallery[0], query, metric)
    squared, found = indexes[metric].search(torch.from_numpy(query), 10)
    reached = recall(found.numpy(), rows)
    assert reached >= 0.93
    assert indexes[metric].recall == pytest.approx(reached, abs=0.05)
    assert "6,000 vectors finds 0.9" in indexes[metric].told()
    same = found.numpy() == rows
    near = squared.numpy() / (2 if metric == "cosine" else 1)
    np.testing.assert_allclose(near[same], distances[same], rtol=0.2, atol=2e-3)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_comparing_with_all_is_exact_whatever_the_block(gallery, metric, monkeypatch):
    query = clustered(50, 2)[0]
    monkeypatch.setattr(vector_index, "_BLOCK", 1234)
    squared, rows = exact(gallery[0], query, 10, metric)
    expected, distances = true_neighbours(gallery[0], query, metric)
    assert recall(rows, expected) == 1
    np.testing.assert_allclose(
        squared / (2 if metric == "cosine" else 1), distances, rtol=1e-2, atol=1e-4
    )


def test_a_mapped_file_answers_as_the_index_in_memory(indexes, tmp_path, monkeypatch):
    index = indexes["cosine"]
    index.write(tmp_path / "some.faiss")
    query = torch.from_numpy(clustered(200, 2)[0])
    monkeypatch.setattr(vector_index, "_MAPPED", 1)  # given back after each query
    mapped = opened(tmp_path / "some.faiss", "cosine", index.recall)
    for one, other in zip(index.search(query, 5), mapped.search(query, 5), strict=True):
        assert torch.equal(one, other)
    (tmp_path / "some.faiss").write_bytes((tmp_path / "some.faiss").read_bytes()[:3000])
    with pytest.raises(UserError, match=r"some\.faiss' cannot be read: make it again"):
        opened(tmp_path / "some.faiss", "cosine", 1.0)


def test_fewer_than_asked_for_are_marked():
    features = clustered(60, 3)[0]
    index = built(features, "euclidean")
    index.index.nprobe = 1
    squared, rows = index.search(torch.from_numpy(features[:5]), 60)
    assert torch.equal(rows < 0, squared.isinf())


def test_the_library_is_asked_for(monkeypatch, gallery):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(
        UserError, match=r"faiss, which is not installed: .*requirements-index\.txt"
    ):
        built(gallery[0], "cosine")


def test_votes_are_nearly_those_of_all_references_and_the_index_is_made_once(gallery, monkeypatch):
    made = []
    monkeypatch.setattr(approximate, "built", lambda *a: made.append(1) or built(*a))
    support, labels = torch.from_numpy(gallery[0]), torch.from_numpy(gallery[1])
    query = torch.from_numpy(clustered(200, 2)[0])
    head = KNN(k=5, exact_rows=1000)
    found = torch.cat([head(support, labels, part, 21) for part in query.split(70)])
    exactly = knn(support, labels, query, 21, k=5)
    assert made == [1]
    assert (found.argmax(1) == exactly.argmax(1)).float().mean() > 0.97
    assert found[:, 20].isinf().all(), "a class without references is never an answer"
    assert found[:, :20].isfinite().all()
    assert KNN(k=5, exact_rows=6000)(support, labels, query, 21).equal(exactly)
    del support, head
    assert not approximate._last, "released with the references"


def test_classes_beyond_those_found_come_last():
    index = built(clustered(60, 3)[0], "euclidean")
    labels = torch.arange(60) // 3
    query = torch.from_numpy(clustered(60, 3)[0][:4])
    found = approximate.search_index(
        VectorIndex(index.index, "euclidean", 1.0), labels, query, 21, 3
    )
    assert found.rows[:, 0].tolist() == [0, 1, 2, 3]
    assert found.of_class[:, 20].isinf().all()
    assert (found.of_class[:, :20] <= torch.finfo(torch.float32).max).all()
