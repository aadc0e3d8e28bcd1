"""The index of many vectors against comparing with all of them."""

import importlib
import sys

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from fewshot.errors import UserError
from fewshot.heads import comparing, vector_index
from fewshot.heads import knn as knn_module
from fewshot.heads.approximate import Indexed
from fewshot.heads.comparing import exact, recall
from fewshot.heads.knn import KNN, knn
from fewshot.heads.vector_index import VectorIndex, built, filled, opened

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
    reached = recall(gallery[0], query, found.numpy(), rows, metric)
    assert reached >= 0.93
    assert indexes[metric].recall == pytest.approx(reached, abs=0.05)
    assert "6,000 vectors finds 0.9" in indexes[metric].told()
    same = found.numpy() == rows
    near = squared.numpy() / (2 if metric == "cosine" else 1)
    np.testing.assert_allclose(near[same], distances[same], rtol=0.2, atol=2e-3)


def test_it_is_searched_where_a_library_has_had_the_search_replaced(indexes, gallery):
    found = indexes["euclidean"].search(torch.from_numpy(gallery[0][:5]), 1)[1]
    importlib.import_module("faiss.contrib.torch_utils")  # as pytorch-metric-learning does
    again = indexes["euclidean"].search(torch.from_numpy(gallery[0][:5]), 1)[1]
    assert again.tolist() == found.tolist() == [[row] for row in range(5)]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_comparing_with_all_is_exact_whatever_the_block(gallery, metric, monkeypatch):
    query = clustered(50, 2)[0]
    monkeypatch.setattr(comparing, "_BLOCK", 1234)
    squared, rows = exact(gallery[0], query, 10, metric)
    expected, distances = true_neighbours(gallery[0], query, metric)
    assert recall(gallery[0], query, rows, expected, metric) == 1
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


def test_references_without_a_label_are_not_looked_at(gallery, indexes):
    features, labels = (torch.from_numpy(part) for part in gallery)
    labels = labels.where(torch.arange(6000) % 3 == 0, -1)
    query = torch.from_numpy(clustered(200, 2)[0])
    found = Indexed(indexes["cosine"], labels, 20).search(query, 10)
    assert (labels[found.rows] >= 0).all()
    assert (labels[found.class_row[found.class_row < 6000]] >= 0).all()
    known = labels >= 0
    true = true_neighbours(features[known].numpy(), query.numpy(), "cosine")[0]
    rows = known.nonzero()[:, 0].numpy()[true]
    assert recall(gallery[0], query.numpy(), found.rows.numpy(), rows, "cosine") > 0.9


@pytest.mark.parametrize("share", [0.5, 0.03, 0.005])
def test_the_recall_is_that_of_the_votes_however_few_may_vote(gallery, indexes, share):
    features, labels = gallery
    voters = np.random.default_rng(0).random(6000) < share
    voters[0] = False
    query = clustered(200, 2)[0]
    index = indexes["euclidean"]
    found = Indexed(index, torch.from_numpy(np.where(voters, labels, -1)), 20).search(
        torch.from_numpy(query), 10
    )
    true = voters.nonzero()[0][true_neighbours(features[voters], query, "euclidean")[0]]
    reached = recall(features, query, found.rows.numpy(), true, "euclidean")
    assert (found.rows >= 0).all()
    assert reached >= index.recall - 0.02


def test_of_a_class_left_out_the_neighbours_are_those_of_the_others():
    random, labels = np.random.default_rng(0), np.arange(4000) // 200
    features = random.normal(size=(20, WIDTH))[labels] + 0.2 * random.normal(size=(4000, WIDTH))
    support, truth = torch.from_numpy(features.astype(np.float32)), torch.from_numpy(labels)
    query, others = support[:50] + 0.01, truth != 0
    whole = KNN(exact_rows=1000).against(support, truth, 20)
    found = whole.without(0)(query)
    exactly = knn(support[others], truth[others], query, 20)
    assert (found.argmax(1) == exactly.argmax(1)).float().mean() > 0.95
    votes = found[:, 1:].sum(1)
    assert torch.allclose(votes, torch.ones_like(votes), atol=1e-6), "each has its neighbours"


def test_of_twins_any_is_as_good():
    some, own = clustered(150, 5)[0], np.arange(6000) % 150
    lengths = np.linspace(0.5, 2, 6000, dtype=np.float32)[:, None]
    twins = some[own] * lengths  # each direction forty times over, but for rounding
    index = built(twins, "cosine")
    assert index.recall == 1
    assert index.index.nprobe == 4, "no more lists are searched for which of the twins it is"
    true = true_neighbours(twins, some, "cosine")[0]
    found = index.search(torch.from_numpy(some), 10)[1].numpy()
    assert (found[:, :, None] == true[:, None]).any(1).mean() < 0.9, "others of the twins"
    assert recall(twins, some, found, true, "cosine") == 1
    assert recall(twins, some, np.where(lengths[found, 0] < 1, -1, found), true, "cosine") < 0.9


def test_the_library_is_asked_for(monkeypatch, gallery):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(
        UserError, match=r"faiss, which is not installed: .*requirements-index\.txt"
    ):
        built(gallery[0], "cosine")
    KNN(exact_rows=9).check(9)
    with pytest.raises(UserError, match="faiss, which is not installed"):
        KNN(exact_rows=9).check(10)


def test_votes_are_nearly_those_of_all_references_and_the_index_is_made_once(gallery, monkeypatch):
    made = []
    monkeypatch.setattr(knn_module, "built", lambda *a: made.append(1) or built(*a))
    support, labels = torch.from_numpy(gallery[0]), torch.from_numpy(gallery[1])
    query = torch.from_numpy(clustered(200, 2)[0])
    head = KNN(k=5, exact_rows=1000)
    scores = head.against(support, labels, 21)
    found = torch.cat([scores(part) for part in query.split(70)])
    exactly = knn(support, labels, query, 21, k=5)
    assert made == [1]
    assert (found.argmax(1) == exactly.argmax(1)).float().mean() > 0.97
    assert found[:, 20].isinf().all(), "a class without references is never an answer"
    assert found[:, :20].isfinite().all()
    assert KNN(k=5, exact_rows=6000)(support, labels, query, 21).equal(exactly)
    assert scores.figures == {"index_recall": pytest.approx(0.97, abs=0.04)}
    assert scores.told().startswith("k-NN's neighbours: an index of 6,000 vectors finds 0.9")
    assert head(support, labels, query[:9], 21).equal(found[:9]), "one of its own, and as good"


def test_classes_beyond_those_found_come_last():
    index = built(clustered(60, 3)[0], "euclidean")
    labels = torch.arange(60) // 3
    query = torch.from_numpy(clustered(60, 3)[0][:4])
    found = Indexed(VectorIndex(index.index, "euclidean", 1.0), labels, 21).search(query, 3)
    assert found.rows[:, 0].tolist() == [0, 1, 2, 3]
    assert found.of_class[:, 20].isinf().all()
    assert (found.of_class[:, :20] <= torch.finfo(torch.float32).max).all()


def test_lists_around_the_centres_of_another_index_are_filled(gallery):
    features, _ = gallery
    index = built(features[:3000], "euclidean").index
    index.reset()
    found = filled(index, features, "euclidean")
    assert found.index.ntotal == len(features)
    assert found.recall >= 0.95
    nearest = found.search(torch.from_numpy(features[:50]), 1)[1][:, 0]
    assert (nearest == torch.arange(50)).float().mean() >= 0.95
