import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.data.samplers.repeated import RepeatedBatches
from fewshot.errors import UserError


def sampler(rows, **more):
    return RepeatedBatches(np.zeros(rows, dtype=np.int64), ["a"], 0, **more)


@given(st.integers(2, 60), st.integers(1, 30), st.integers(2, 20), st.integers(0, 3))
def test_steps_are_at_least_so_many_and_rows_come_alike_often(rows, steps, size, epoch):
    batches = sampler(rows, steps=steps, batch_size=size).batches(epoch)
    assert len(batches) == len(sampler(rows, steps=steps, batch_size=size)) >= steps
    assert all(1 < len(batch) <= size + 1 for batch in batches)
    counts = np.bincount(np.concatenate(batches), minlength=rows)
    assert counts.max() - counts.min() <= 1


def test_many_rows_are_gone_through_once():
    batches = sampler(100, steps=3, batch_size=10).batches(0)
    assert sorted(np.concatenate(batches)) == list(range(100))


def test_epochs_differ_and_repeat_exactly():
    few = sampler(4, steps=6, batch_size=4)
    first, second = few.batches(0), few.batches(1)
    assert all((a == b).all() for a, b in zip(first, sampler(4, steps=6).batches(0), strict=True))
    orders = {tuple(batch) for batch in [*first, *second]}
    assert len(orders) > 6, "each passage has an order of its own"


@pytest.mark.parametrize("name", ["steps", "batch_size"])
def test_mistakes_are_named(name):
    with pytest.raises(UserError, match=rf"RepeatedBatches\.{name} is 0: bind 1 or more"):
        sampler(3, **{name: 0})
