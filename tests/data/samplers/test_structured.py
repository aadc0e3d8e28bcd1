import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.data.samplers.structured import BalancedBatches, Episodes
from fewshot.errors import UserError
from tests.data.samplers.test_unstructured import build, labelled

few = settings(max_examples=25)


@few
@given(
    counts=st.lists(st.integers(1, 12), min_size=2, max_size=7),
    k=st.integers(1, 6),
    epoch=st.integers(0, 3),
    data=st.data(),
)
def test_balanced_batches_hold_p_classes_of_k(counts, k, epoch, data):
    p = data.draw(st.integers(1, len(counts)))
    bindings = {"classes_per_batch": p, "images_per_class": k, "batches_per_epoch": 9}
    sampler = build(BalancedBatches, counts, **bindings)
    labels = labelled(counts)
    batches = sampler.batches(epoch)
    assert len(batches) == len(sampler) == 9
    for batch in batches:
        groups = labels[batch].reshape(p, k)
        assert (groups == groups[:, :1]).all()
        assert len(np.unique(groups[:, 0])) == p
        for rows in batch.reshape(p, k):
            times = np.unique(rows, return_counts=True)[1]
            size = counts[labels[rows[0]]]
            assert len(times) == min(size, k)
            assert times.max() - times.min() <= 1  # repeated only where needed, and evenly
    assert all(
        np.array_equal(a, b)
        for a, b in zip(
            batches, build(BalancedBatches, counts, **bindings).batches(epoch), strict=True
        )
    )
    assert (
        not all(
            np.array_equal(a, b) for a, b in zip(batches, sampler.batches(epoch + 1), strict=True)
        )
        or max(counts) == 1
    )


def test_balanced_classes_are_seen_alike_and_their_rows_too():
    counts = [3, 8, 100]
    sampler = build(
        BalancedBatches, counts, classes_per_batch=2, images_per_class=4, batches_per_epoch=3000
    )
    labels = labelled(counts)
    seen = np.bincount(np.concatenate(sampler.batches(0)), minlength=111)
    per_class = np.array([seen[labels == c].sum() for c in range(3)])
    assert np.abs(per_class / per_class.sum() - 1 / 3).max() < 0.02
    for c in (1, 2):
        assert seen[labels == c].max() - seen[labels == c].min() <= 1


def test_balanced_groups_of_a_class_are_mixed_anew():
    sampler = build(
        BalancedBatches, [4, 4], classes_per_batch=2, images_per_class=2, batches_per_epoch=60
    )
    groups = {frozenset(g) for batch in sampler.batches(0) for g in batch.reshape(2, 2).tolist()}
    assert len(groups) == 12  # every pair of either class


def test_balanced_defaults_to_about_one_pass():
    sampler = build(BalancedBatches, [100] * 10, classes_per_batch=5, images_per_class=4)
    assert len(sampler) == 50
    assert sampler.layout == "image"


def test_balanced_refuses_too_few_classes():
    with pytest.raises(UserError) as error:
        build(BalancedBatches, [9, 9, 9])
    assert str(error.value) == (
        "BalancedBatches needs 8 classes (BalancedBatches.classes_per_batch = 8), but the "
        "training rows have 3 classes: lower it, or train on rows of more classes."
    )
    with pytest.raises(UserError, match=r"BalancedBatches.images_per_class is 0"):
        build(BalancedBatches, [9, 9], images_per_class=0)


@few
@given(
    extra=st.lists(st.integers(0, 5), min_size=2, max_size=6),
    k=st.integers(1, 3),
    q=st.integers(1, 3),
    epoch=st.integers(0, 3),
    data=st.data(),
)
def test_episodes_hold_by_definition(extra, k, q, epoch, data):
    counts = [k + q + more for more in extra]
    n = data.draw(st.integers(1, len(counts)))
    sampler = build(Episodes, counts, n_way=n, n_shot=k, n_query=q, episodes_per_epoch=7)
    labels = labelled(counts)
    batches = sampler.batches(epoch)
    assert len(batches) == len(sampler) == 7
    for batch in batches:
        assert len(batch) == n * (k + q)
        assert len(np.unique(batch)) == len(batch)  # support and query share no row
        support = labels[batch[: n * k]].reshape(n, k)
        query = labels[batch[n * k :]].reshape(n, q)
        assert len(np.unique(support[:, 0])) == n
        assert (support == support[:, :1]).all()
        assert (query == support[:, :1]).all()  # the same classes in the same order
    assert np.array_equal(np.stack(batches), np.stack(sampler.batches(epoch)))


def test_episodes_choose_classes_uniformly_whatever_their_size():
    counts = [30, 5, 5, 5]
    sampler = build(Episodes, counts, n_way=2, n_shot=1, n_query=1, episodes_per_epoch=4000)
    chosen = labelled(counts)[np.stack(sampler.batches(0))[:, :2]]
    assert np.abs(np.bincount(chosen.ravel()) / 8000 - 0.25).max() < 0.02


def test_episodes_name_small_classes_and_what_to_lower():
    with pytest.raises(UserError) as error:
        build(Episodes, [30, 19, 30, 30, 30])
    assert str(error.value) == (
        "Episodes needs 20 rows a class (Episodes.n_shot = 5 and Episodes.n_query = 15), but too "
        "few are in 'class 1' (19): lower one of the two, or leave small classes out with "
        "main.train_rows = @SelectRows and SelectRows.min_per_class = 20."
    )
    with pytest.raises(UserError, match=r"Episodes needs 5 classes \(Episodes.n_way = 5\)"):
        build(Episodes, [30, 30])
    with pytest.raises(UserError, match=r"Episodes.n_query is 0"):
        build(Episodes, [30] * 5, n_query=0)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_classes_are_drawn_in_proportion_to_a_power_of_their_rows(power):
    counts = np.array([4, 16, 64, 100])
    labels = np.repeat(np.arange(4), counts)
    sampler = BalancedBatches(
        labels=labels,
        class_names=tuple("abcd"),
        seed=0,
        classes_per_batch=1,
        images_per_class=2,
        batches_per_epoch=20_000,
        frequency_power=power,
    )
    drawn = labels[np.stack(sampler.batches(0))]
    assert (drawn[:, 0] == drawn[:, 1]).all()
    found = np.bincount(drawn[:, 0], minlength=4) / len(drawn)
    assert found == pytest.approx(counts**power / (counts**power).sum(), abs=0.015)


def test_classes_of_a_weighted_batch_are_different():
    labels = np.repeat(np.arange(4), [2, 3, 50, 500])
    options = {"classes_per_batch": 4, "images_per_class": 2, "frequency_power": 1.0}
    sampler = BalancedBatches(labels=labels, class_names=tuple("abcd"), seed=0, **options)
    for batch in sampler.batches(0):
        assert sorted(labels[batch].tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]
    options["frequency_power"] = -1.0
    with pytest.raises(UserError, match=r"frequency_power is -1\.0: bind 0 \(uniform\) or more"):
        BalancedBatches(labels=labels, class_names=tuple("abcd"), seed=0, **options)
