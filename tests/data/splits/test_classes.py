import itertools
import math
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.data.splits.classes import FewShotPlan, split_classes, top_classes
from fewshot.errors import UserError


def test_drawn_base_classes_need_training_rows():
    with pytest.raises(UserError, match="2 base classes cannot be drawn: only 1 have at least 20"):
        split_classes(FewShotPlan(2, draw=0), list("abcd"), ["a"])


@settings(max_examples=80)
@given(
    st.integers(4, 12),
    st.integers(1, 6),
    st.integers(0, 3),
    st.none() | st.integers(0, 99),
    st.booleans(),
    st.integers(1, 12),
)
def test_base_validation_and_novel_share_no_class(n, base, validation, draw, combine, trained):
    classes = [f"class {i}" for i in range(n)]
    plan = FewShotPlan(base, draw, None, validation)
    if combine:
        plan = FewShotPlan(base, None, (draw or 0) % math.comb(n, min(base, n)), validation)
    try:
        parts = split_classes(plan, classes, classes[:trained])
    except UserError:
        assert base + validation > n - 2 or min(trained, n) < base or combine
        return
    assert sorted([*parts.base, *parts.validation, *parts.novel]) == sorted(classes)
    assert (len(parts.base), len(parts.validation)) == (base, validation)
    assert len(parts.novel) >= 2
    if plan.drawn:
        assert set(parts.base) <= set(classes[:trained])
    else:
        assert [*parts.base, *parts.validation, *parts.novel] == classes


def test_fashion_mnist_has_252_different_draws():
    names = [f"class {i}" for i in range(10)]
    drawn = [split_classes(FewShotPlan(5, combination=k), names, names).base for k in range(252)]
    assert drawn == list(itertools.combinations(names, 5))
    with pytest.raises(UserError, match=r"there are 252 ways .* numbered 0 to 251"):
        split_classes(FewShotPlan(5, combination=252), names, names)


@settings(max_examples=80)
@given(st.lists(st.text("abc", min_size=1, max_size=2), min_size=1, max_size=30))
def test_ties_in_the_top_go_by_name(labels):
    counts = Counter(labels)
    expected = sorted(counts, key=lambda name: (-counts[name], name))
    for n in range(1, len(counts) + 1):
        assert top_classes(pd.Series(labels, dtype=str), n) == expected[:n]
