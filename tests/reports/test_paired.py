"""Paired statistics against their definitions and scipy."""

from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from fewshot.reports.paired import bootstrap_interval, mcnemar, pair, significance


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_twice_the_smaller_tail(b, c):
    n = b + c
    tail = sum(comb(n, k) for k in range(min(b, c) + 1)) / 2**n
    assert mcnemar(b, c) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(b, c) == mcnemar(c, b)


@pytest.mark.parametrize("different", [3, 200])
def test_the_interval_is_scipys_percentile_bootstrap(different):
    rng = np.random.default_rng(0)
    values = rng.choice(np.linspace(-1, 1, different), 400)
    low, high = bootstrap_interval(values)
    expected = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=rng)
    spread = expected.confidence_interval
    width = spread.high - spread.low
    assert low == pytest.approx(spread.low, abs=0.05 * width)
    assert high == pytest.approx(spread.high, abs=0.05 * width)
    assert (low, high) == bootstrap_interval(values)


def test_the_interval_of_a_mean_of_classes_adds_up_their_variances():
    rng = np.random.default_rng(1)
    groups = np.repeat(["a", "b"], [300, 30])
    values = rng.choice([-1.0, 0.0, 1.0], 330)
    low, high = bootstrap_interval(values, groups)
    parts = [values[groups == name] for name in ("a", "b")]
    error = np.sqrt(sum(part.var() / len(part) for part in parts)) / 2
    assert (high - low) == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert (high + low) / 2 == pytest.approx(np.mean([p.mean() for p in parts]), abs=error / 5)


def predictions(ids, labels, said):
    return pd.DataFrame({"id": ids, "label": labels, "class_1": said})


def test_only_images_with_one_label_in_both_are_paired():
    first = predictions(["1", "2", "3", "4"], ["a", "b", None, "a"], list("aaaa"))
    second = predictions(["4", "3", "2", "9"], ["b", None, "b", "a"], list("abba"))
    found = pair(first, second)
    assert found.ids.tolist() == ["2"]
    assert found.first.tolist() == ["a"]
    assert found.second.tolist() == ["b"]
    assert len(pair(first, None).ids) == 0
    assert len(pair(first, second.drop(columns="label")).ids) == 0


def test_significance_of_two_runs():
    labels = ["a"] * 6 + ["b"] * 2
    first = predictions(range(8), labels, list("aaaaabbb"))
    second = predictions(range(8), labels, list("aaabbbab"))
    table = significance(pair(first, second)).set_index("figure")
    assert table.loc["top1", "of_first"] == pytest.approx(7 / 8)
    assert table.loc["top1", "difference"] == pytest.approx(-3 / 8)
    assert table.loc["top1", "p"] == pytest.approx(0.25)  # 3 of 3 disputed: 2 / 2**3
    assert table.loc["mean_class_top1", "of_second"] == pytest.approx((3 / 6 + 1 / 2) / 2)
    assert pd.isna(table.loc["mean_class_top1", "p"])
    assert table["n"].tolist() == [8, 8]
    assert (table["low"] <= table["difference"]).all()
    assert (table["difference"] <= table["high"]).all()
