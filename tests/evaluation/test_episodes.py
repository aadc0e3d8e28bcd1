from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.errors import UserError
from fewshot.evaluation import few_shot_scores
from fewshot.evaluation.episodes import DrawnEpisodes, Pool, draw_episodes
from fewshot.evaluation.few_shot_scores import score_episodes
from fewshot.heads.knn import KNN
from fewshot.heads.prototypes import NearestPrototype


def pool(counts, seed=0):
    labels = np.repeat(np.arange(len(counts)), counts)
    np.random.default_rng(seed).shuffle(labels)
    return Pool(labels, tuple(f"class {i}" for i in range(len(counts))))


@settings(max_examples=25)
@given(
    st.lists(st.integers(6, 20), min_size=3, max_size=8),
    st.integers(2, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 1 << 40),
)
def test_every_episode_is_well_formed(counts, n_way, n_shot, n_query, seed):
    images = pool(counts)
    episodes = draw_episodes(images, n_way, n_shot, n_query, 20, seed)
    assert episodes.support.shape == (20, n_way * n_shot)
    assert episodes.query.shape == (20, n_way * n_query)
    for support, query, classes in zip(
        episodes.support.numpy(), episodes.query.numpy(), episodes.classes.numpy(), strict=True
    ):
        assert len(set(classes)) == n_way
        assert len({*support, *query}) == n_way * (n_shot + n_query)
        assert images.labels[support].tolist() == np.repeat(classes, n_shot).tolist()
        assert images.labels[query].tolist() == np.repeat(classes, n_query).tolist()


def test_an_episode_depends_on_its_number_alone():
    few, many = (draw_episodes(pool([9] * 6), 3, 2, 2, n, 7) for n in (5, 50))
    torch.testing.assert_close(few.support, many.support[:5])
    torch.testing.assert_close(few.query, many.query[:5])
    other = draw_episodes(pool([9] * 6), 3, 2, 2, 5, 8)
    assert not torch.equal(few.support, other.support)
    ids = [str(i) for i in range(54)]
    again = draw_episodes(pool([9] * 6), 3, 2, 2, 5, 7)
    assert few.digest(ids) == again.digest(ids)
    assert len({few.digest(ids), other.digest(ids), many.digest(ids), few.digest(ids[::-1])}) == 4


def test_the_same_seed_gives_the_same_episodes_in_any_process():
    """A value from another run: hash seeds, threads and library versions must not matter."""
    drawn = draw_episodes(pool([9] * 6), 3, 2, 2, 5, 7)
    assert drawn.digest([str(i) for i in range(54)]) == "643a2938138de8e70f88932771253617"


def test_classes_and_images_are_drawn_evenly():
    images = pool([4, 8, 8, 12])
    episodes = draw_episodes(images, 2, 1, 2, 6000, 0)
    drawn = Counter(episodes.classes.flatten().tolist())
    assert all(abs(n - 3000) < 200 for n in drawn.values())
    first = Counter(episodes.classes[:, 0].tolist())
    assert all(abs(n - 1500) < 150 for n in first.values())
    support = torch.bincount(episodes.support.flatten(), minlength=32).numpy()
    query = torch.bincount(episodes.query.flatten(), minlength=32).numpy()
    size = np.bincount(images.labels)[images.labels]
    np.testing.assert_allclose(support, 3000 / size, rtol=0.25)
    np.testing.assert_allclose(query, 6000 / size, rtol=0.2)


def test_too_small_classes_are_named():
    with pytest.raises(UserError) as error:
        draw_episodes(pool([9, 4, 9, 5]), 2, 2, 4, 3, 0)
    assert str(error.value) == (
        "classes with fewer distinct images than n_shot + n_query = 2 + 4: 'class 1' 4, "
        "'class 3' 5. Lower NovelEpisodes.n_shot or n_query, or leave these classes out of "
        "the CSV (create_splits.sh --min-per-class 6)."
    )
    with pytest.raises(UserError, match="'class 4' 1 and 3 more"):
        draw_episodes(pool([1] * 8), 2, 1, 1, 3, 0)


def test_more_ways_than_classes():
    with pytest.raises(UserError) as error:
        draw_episodes(pool([9, 9, 9]), 5, 1, 1, 3, 0)
    assert str(error.value) == (
        "NovelEpisodes.n_way is 5, but there are 3 classes: use at most 3, or 'all'."
    )


def test_scores_equal_a_loop_over_episodes_whatever_the_batch(monkeypatch):
    images = pool([10] * 5)
    features = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)).double()
    features = features + torch.from_numpy(images.labels).unsqueeze(1) * 0.3
    episodes = draw_episodes(images, 3, 2, 4, 40, 0)
    accuracies, confusion = [], np.zeros((5, 5), dtype=int)
    for support, query in zip(episodes.support.numpy(), episodes.query.numpy(), strict=True):
        right = 0
        present = sorted(set(images.labels[support]))
        for row in query:
            distances = {
                c: (features[support[images.labels[support] == c]].mean(0) - features[row]).norm()
                for c in present
            }
            guess = min(distances, key=distances.get)
            right += guess == images.labels[row]
            confusion[images.labels[row], guess] += 1
        accuracies.append(right / len(query))
    for cells in (1, 500, 1 << 23):
        monkeypatch.setattr(few_shot_scores, "_CELLS", cells)
        found = score_episodes(NearestPrototype(), features, episodes, 5)
        np.testing.assert_allclose(found.accuracies, accuracies)
        np.testing.assert_array_equal(found.confusions.among(np.arange(5)), confusion)
        np.testing.assert_array_equal(found.confusions.right(), confusion.diagonal())
    assert found.summary()["mean"] == pytest.approx(np.mean(accuracies))
    assert found.summary()["ci95"] == pytest.approx(1.96 * np.std(accuracies, ddof=1) / 40**0.5)
    knn = score_episodes(KNN(1), features, episodes, 5)
    assert knn.confusions.counts.sum() == 40 * 12


def test_thousands_of_classes_take_no_square_of_memory():
    """Counts of 20,000 x 20,000 pairs would take 3 GB."""
    images = pool([3] * 20_000)
    features = torch.from_numpy(images.labels).float().unsqueeze(1)
    episodes = draw_episodes(images, 5, 1, 1, 200, 0)
    found = score_episodes(NearestPrototype(), features, episodes, 20_000).confusions
    assert (found.size, found.counts.sum(), found.right().sum()) == (20_000, 1000, 1000)


def test_digest_tells_support_from_query():
    a, b = torch.tensor([[0, 1]]), torch.tensor([[2, 3]])
    ids = list("wxyz")
    classes = torch.tensor([[0, 1]])
    assert DrawnEpisodes(a, b, classes).digest(ids) != DrawnEpisodes(b, a, classes).digest(ids)
