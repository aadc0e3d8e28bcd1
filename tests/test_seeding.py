import random

import numpy as np
import pytest
import torch

from fewshot import seeding
from fewshot.seeding import KeyedRandom


def keys(n: int, seed: int = 0, epoch: int = 0) -> torch.Tensor:
    return torch.stack([torch.full((n,), seed), torch.full((n,), epoch), torch.arange(n)], dim=1)


def test_derive_depends_on_every_part_and_their_order():
    seeds = [seeding.derive(*parts) for parts in [(1, 2), (2, 1), (1, 2, 0), (12,), ("1", "2/0")]]
    assert len(set(seeds[:4])) == 4
    assert seeding.derive(1, 2) == seeding.derive("1", "2")
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_reseed_makes_every_global_generator_repeat():
    def draws() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), float(torch.rand(()))

    seeding.reseed(3, 1, 4)
    first = draws()
    seeding.reseed(3, 1, 5)
    other = draws()
    seeding.reseed(3, 1, 4)
    assert draws() == first
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_draws_of_an_image_do_not_depend_on_the_rest_of_the_batch():
    whole = KeyedRandom(keys(100))
    part = KeyedRandom(keys(100)[40:60])
    for _ in range(3):
        assert torch.equal(whole.uniform()[40:60], part.uniform())
    assert torch.equal(whole.integers(7)[40:60], part.integers(7))


def test_successive_draws_folds_and_keys_are_independent():
    n = 20_000
    base = KeyedRandom(keys(n))
    columns = [base.uniform(), base.uniform(), base.fold(0).uniform(), base.fold(1).uniform()]
    columns += [KeyedRandom(keys(n, seed=1)).uniform(), KeyedRandom(keys(n, epoch=1)).uniform()]
    table = np.corrcoef(torch.stack(columns).numpy())
    assert np.abs(table - np.eye(len(columns))).max() < 0.03


def test_fold_does_not_move_with_draws_made_before_it():
    base = KeyedRandom(keys(5))
    expected = base.fold(3).uniform()
    base.uniform()
    assert torch.equal(base.fold(3).uniform(), expected)


def test_uniform_is_uniform_in_its_interval():
    values = KeyedRandom(keys(50_000)).uniform(-2, 6)
    assert values.min() >= -2 and values.max() < 6
    histogram = torch.histc(values, bins=8, min=-2, max=6) / len(values)
    assert (histogram - 1 / 8).abs().max() < 0.01


def test_integers_cover_their_range_evenly():
    counts = torch.bincount(KeyedRandom(keys(50_000)).integers(5), minlength=5) / 50_000
    assert counts.shape == (5,)
    assert (counts - 0.2).abs().max() < 0.01


def test_bernoulli_and_choice():
    random_ = KeyedRandom(keys(50_000))
    assert abs(float(random_.bernoulli(0.3).float().mean()) - 0.3) < 0.01
    chosen = random_.choice([1.5, -2.0])
    assert set(chosen.unique().tolist()) == {1.5, -2.0}


def test_wrong_keys_and_ranges_are_refused():
    with pytest.raises(ValueError, match=r"int64 \[B, K\], not torch.float32 \[4\]"):
        KeyedRandom(torch.zeros(4))
    with pytest.raises(ValueError, match="high of at least 1, not 0"):
        KeyedRandom(keys(2)).integers(0)
