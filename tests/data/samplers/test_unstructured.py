import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.data.samplers.unstructured import ShuffledBatches, TripletBatches
from fewshot.errors import UserError

few = settings(max_examples=25)
several_rows = st.lists(st.integers(2, 9), min_size=2, max_size=6)


def labelled(counts, seed=0):
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).permutation(labels)


def names(counts):
    return tuple(f"class {i}" for i in range(len(counts)))


def build(factory, counts, seed=0, **bindings):
    return factory(labels=labelled(counts), class_names=names(counts), seed=seed, **bindings)


@few
@given(n=st.integers(1, 50), size=st.integers(1, 50), epoch=st.integers(0, 5))
def test_shuffled_rows_come_once_and_alike(n, size, epoch):
    sampler = build(ShuffledBatches, [n], batch_size=size, drop_last=False)
    batches = sampler.batches(epoch)
    assert len(batches) == len(sampler)
    assert sorted(np.concatenate(batches)) == list(range(n))
    assert all(len(batch) == size for batch in batches[:-1])
    assert len(batches[-1]) > 1 or n == 1 or size == 1
    assert len(batches[-1]) <= size + 1
    again = build(ShuffledBatches, [n], batch_size=size, drop_last=False).batches(epoch)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))


def test_shuffled_drops_the_last_and_differs_by_epoch_and_seed():
    sampler = build(ShuffledBatches, [100], batch_size=30)
    assert len(sampler) == 3
    assert [len(batch) for batch in sampler.batches(0)] == [30, 30, 30]
    assert not np.array_equal(sampler.batches(0)[0], sampler.batches(1)[0])
    other = build(ShuffledBatches, [100], seed=1, batch_size=30)
    assert not np.array_equal(sampler.batches(0)[0], other.batches(0)[0])


@few
@given(counts=several_rows, power=st.floats(-1, 2), epoch=st.integers(0, 5))
def test_rows_are_drawn_by_a_power_of_how_frequent_their_class_is(counts, power, epoch):
    sampler = build(ShuffledBatches, counts, batch_size=2, frequency_power=power)
    chances = sampler._chances if power != 1 else np.full(sum(counts), 1 / sum(counts))
    by_class = np.bincount(labelled(counts), weights=chances)
    expected = np.array([n**power for n in counts])
    np.testing.assert_allclose(by_class, expected / expected.sum())
    again = build(ShuffledBatches, counts, batch_size=2, frequency_power=power)
    batches = sampler.batches(epoch)
    assert np.array_equal(np.stack(batches), np.stack(again.batches(epoch)))
    assert len(batches) == len(sampler) == sum(counts) // 2


def test_with_power_0_a_rare_class_comes_as_often_as_a_frequent_one():
    labels = labelled([9_000, 1_000])
    sampler = build(ShuffledBatches, [9_000, 1_000], batch_size=100, frequency_power=0)
    shares = np.bincount(labels[np.concatenate(sampler.batches(0))]) / 10_000
    assert shares == pytest.approx([0.5, 0.5], abs=0.02)  # four standard errors


def test_a_power_needs_labels_and_a_number():
    with pytest.raises(UserError, match="1 of 3 training rows have no label"):
        ShuffledBatches(np.array([0, 1, -1]), ("a", "b"), 0, batch_size=1, frequency_power=0.5)
    with pytest.raises(UserError, match=r"ShuffledBatches\.frequency_power is nan"):
        build(ShuffledBatches, [5, 5], batch_size=2, frequency_power=float("nan"))


def test_shuffled_names_rows_batch_and_bindings():
    with pytest.raises(UserError) as error:
        build(ShuffledBatches, [10, 7])
    assert str(error.value) == (
        "ShuffledBatches.batch_size is 128, but there are only 17 training rows: bind "
        "ShuffledBatches.batch_size = 17 or less, or ShuffledBatches.drop_last = False."
    )
    with pytest.raises(UserError, match=r"there is no row to train on"):
        build(ShuffledBatches, [], drop_last=False)
    with pytest.raises(UserError, match=r"ShuffledBatches.batch_size is 0"):
        build(ShuffledBatches, [10], batch_size=0)


@few
@given(counts=several_rows, size=st.integers(1, 4), epoch=st.integers(0, 3))
def test_triplets_hold_by_definition(counts, size, epoch):
    sampler = build(TripletBatches, counts, batch_size=size)
    labels = labelled(counts)
    batches = sampler.batches(epoch)
    assert len(batches) == len(sampler) == sum(counts) // size
    anchors, positives, negatives = np.stack(batches).reshape(-1, 3, size).swapaxes(0, 1)
    assert (labels[anchors] == labels[positives]).all()
    assert (anchors != positives).all()
    assert (labels[anchors] != labels[negatives]).all()
    assert len(np.unique(anchors)) == anchors.size
    assert np.array_equal(batches[-1], sampler.batches(epoch)[-1])


def test_positives_and_negatives_are_uniform():
    counts = [4, 6, 10]
    labels = labelled(counts)
    sampler = build(TripletBatches, counts, batch_size=20, triplets_per_epoch=40_000)
    anchors, positives, negatives = np.stack(sampler.batches(0)).reshape(-1, 3, 20).swapaxes(0, 1)
    anchor = int(np.flatnonzero(labels == 1)[0])
    mine = anchors == anchor
    assert mine.sum() == 2000  # every row is the anchor as often
    for drawn, allowed in (
        (positives, (labels == 1) & (np.arange(20) != anchor)),
        (negatives, labels != 1),
    ):
        counted = np.bincount(drawn[mine], minlength=20)
        assert (counted[~allowed] == 0).all()
        expected = 2000 / allowed.sum()
        assert np.abs(counted[allowed] - expected).max() < 5 * np.sqrt(expected)


def test_triplets_name_the_small_class_and_the_remedy():
    with pytest.raises(UserError) as error:
        build(TripletBatches, [5, 1, 3, 1], batch_size=2)
    assert str(error.value) == (
        "TripletBatches needs 2 rows a class (a positive is another row of the anchor's class), "
        "but too few are in 'class 1' (1), 'class 3' (1): leave small classes out with "
        "main.train_rows = @SelectRows and SelectRows.min_per_class = 4."
    )
    with pytest.raises(UserError, match=r"'class 0' \(1\).* and 3 more: leave"):
        build(TripletBatches, [1] * 8, batch_size=2)


def test_triplets_refuse_one_class_no_labels_and_few_rows():
    with pytest.raises(UserError, match=r"needs 2 classes .*one class only, 'class 0'"):
        build(TripletBatches, [9], batch_size=2)
    with pytest.raises(UserError, match=r"4 of 4 training rows have no label.*label_column"):
        TripletBatches(labels=np.full(4, -1), class_names=(), seed=0)
    with pytest.raises(UserError, match=r"batch_size is 128, but an epoch has only 9 triplets"):
        build(TripletBatches, [4, 5])


def test_classes_without_rows_do_not_count():
    labels = np.array([0, 0, 3, 3, 3])
    sampler = TripletBatches(labels=labels, class_names=tuple("abcd"), seed=0, batch_size=5)
    (batch,) = sampler.batches(0)
    assert sorted(batch[:5]) == [0, 1, 2, 3, 4]
