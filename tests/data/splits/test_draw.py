import hashlib
import itertools
import math
from collections import Counter

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from fewshot.data.splits.draw import drawn_order, held_out, nth_combination


def test_nth_combination_is_that_of_itertools():
    for n, size in itertools.product(range(7), range(4)):
        expected = list(itertools.combinations("abcdefg"[:n], size))
        assert [tuple(nth_combination("abcdefg"[:n], size, k)) for k in range(len(expected))] == (
            expected
        )


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=12),
    st.floats(0.01, 0.99),
    st.integers(0, 5),
)
def test_held_out_rows_are_each_class_s_share(counts, fraction, seed):
    codes = pd.Series(range(len(counts))).repeat(counts).to_numpy()
    rows = held_out(codes, range(len(codes)), fraction, seed)
    taken = Counter(codes[rows].tolist())
    for code, count in enumerate(counts):
        share = count * fraction if count > 1 else 0
        low, high = math.floor(share + 1e-9), math.ceil(share - 1e-9)
        assert min(low, count - 1) <= taken[code] <= min(high, count - 1)
    eligible = sum(count for count in counts if count > 1)
    capped = any(math.ceil(count * fraction) > count - 1 for count in counts if count > 1)
    if eligible and not capped:
        assert len(rows) == max(1, math.floor(eligible * fraction + 0.5))
    assert (len(rows) == 0) == (eligible == 0)


def test_draws_differ_between_seeds_and_not_between_runs():
    names = [f"class {i}" for i in range(20)]
    assert drawn_order(names, 1) == drawn_order(names[::-1], 1) != drawn_order(names, 2)
    # A change of these names changes every split that was ever published.
    assert drawn_order("abcdef", 0, "frozen") == sorted(
        "abcdef", key=lambda name: _hash(f"0/frozen/{name}")
    )


def _hash(text):
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
