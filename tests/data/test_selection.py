import itertools
import logging
from collections import Counter

import gin
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.data.selection import SelectRows, split_validation
from fewshot.errors import UserError

NAMES = tuple(f"class {i}" for i in range(12))


def table_of(labels):
    return pd.DataFrame({"id": [f"i{i}" for i in range(len(labels))]})


def ids_of(labels):
    return table_of(labels)["id"].to_numpy(dtype=str)


def select(labels, seed=0, **options):
    labels = np.array(labels, dtype=np.int64)
    return SelectRows(**options)(table_of(labels), labels, NAMES, seed)


def labels_of(*counts):
    return np.repeat(np.arange(len(counts)), counts)


def test_without_options_every_row_is_kept():
    rows = select([0, 1, -1, 0])
    assert rows.tolist() == [0, 1, 2, 3] and rows.dtype == np.int64


def test_small_classes_are_removed_and_named(caplog):
    with caplog.at_level(logging.INFO, "fewshot"):
        rows = select([0, 1, 0, 2, 0, 3, 2, 2, -1, 0], min_per_class=3)
    assert rows.tolist() == [0, 2, 3, 4, 6, 7, 9]
    assert caplog.messages == ["removed 2 classes with fewer than 3 rows: class 1, class 3"]


def test_nothing_is_logged_where_nothing_is_removed(caplog):
    with caplog.at_level(logging.INFO, "fewshot"):
        select(labels_of(4, 4), min_per_class=4, per_class=4, fraction=1.0)
    assert caplog.messages == []


def test_least_rows_are_counted_after_the_other_choices(caplog):
    with caplog.at_level(logging.INFO, "fewshot"):
        rows = select(labels_of(20, 20, 8, 1), fraction=0.25, per_class=4, min_per_class=4)
    assert Counter(labels_of(20, 20, 8, 1)[rows].tolist()) == {0: 4, 1: 4}
    assert caplog.messages == [
        "removed 1 classes with no row in the fraction (0.0, 0.25): class 3",
        "removed 1 classes with fewer than 4 rows: class 2",
    ]


LABELS = st.lists(st.integers(-1, 4), min_size=1, max_size=60).map(lambda x: [0, 0, 1, 1, *x])


@settings(max_examples=60)
@given(LABELS, st.integers(0, 9), st.integers(1, 12), st.integers(0, 12))
def test_per_class_is_nested_and_full(labels, seed, n, more):
    labels = np.array(labels)
    small, large = (select(labels, seed, per_class=k) for k in (n, n + more))
    assert set(small.tolist()) <= set(large.tolist())
    for code in range(5):
        assert (labels[small] == code).sum() == min(n, (labels == code).sum())
    assert (labels[small] >= 0).all() and (np.diff(small) > 0).all()


@settings(max_examples=60)
@given(LABELS, st.integers(0, 9), st.lists(st.floats(0, 1), min_size=1, max_size=3, unique=True))
def test_ranges_that_meet_partition_the_rows(labels, seed, cuts):
    labels = np.array([*labels, *labels_of(40, 40)])
    edges = sorted({0.0, 1.0, *(round(cut, 1) for cut in cuts)})
    parts = [
        select(labels, seed, fraction=(low, high)).tolist()
        for low, high in itertools.pairwise(edges)
    ]
    assert sorted(itertools.chain(*parts)) == list(range(len(labels)))
    for (low, high), part in zip(itertools.pairwise(edges), parts, strict=True):
        for code, count in Counter(labels.tolist()).items():
            assert abs((labels[part] == code).sum() - count * (high - low)) <= 1 + 1e-9


@settings(max_examples=60)
@given(LABELS, st.integers(0, 9), st.floats(0.3, 1), st.floats(0.3, 1))
def test_fractions_are_nested(labels, seed, one, other):
    labels = [*labels, *labels_of(9, 9)]
    low, high = sorted((one, other))
    small, large = select(labels, seed, fraction=low), select(labels, seed, fraction=high)
    assert set(small.tolist()) <= set(large.tolist())


@settings(max_examples=60)
@given(LABELS, st.integers(0, 9), st.randoms(use_true_random=False))
def test_the_choice_goes_by_id_not_by_position(labels, seed, random):
    labels, table = np.array(labels), table_of(labels)
    order = list(range(len(labels)))
    random.shuffle(order)
    choose = SelectRows(per_class=2)
    straight = choose(table, labels, NAMES, seed)
    shuffled = choose(table.iloc[order], labels[order], NAMES, seed)
    assert set(table["id"].iloc[straight]) == set(table["id"].iloc[order].iloc[shuffled])


def test_seeds_choose_differently():
    labels = labels_of(50, 50)
    assert len({tuple(select(labels, seed, per_class=5)) for seed in range(5)}) == 5


def test_unlabelled_rows_are_chosen_by_fraction():
    rows = select([-1] * 40, fraction=0.25)
    assert len(rows) == 10
    assert set(rows.tolist()) <= set(select([-1] * 40, fraction=0.5).tolist())


def test_bound_in_gin():
    with gin.unlock_config():
        gin.parse_config("SelectRows.per_class = 2\nSelectRows.fraction = (0.0, 0.5)")
    try:
        chosen = gin.get_configurable("SelectRows")()
        assert (chosen.per_class, chosen.range, chosen.min_per_class) == (2, (0.0, 0.5), None)
    finally:
        gin.clear_config()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"min_per_class": 0}, "SelectRows.min_per_class is a whole number from 1 on, not 0."),
        ({"per_class": 2.5}, "SelectRows.per_class is a whole number from 1 on, not 2.5."),
        ({"per_class": True}, "SelectRows.per_class is a whole number from 1 on, not True."),
        ({"per_class": "5"}, "SelectRows.per_class is a whole number from 1 on, not '5'."),
        ({"per_class": 3, "min_per_class": 4}, "SelectRows.per_class=3 leaves no class with min_"),
        ({"fraction": 0.0}, "SelectRows.fraction is a share such as 0.5 or a range such as (0.1"),
        ({"fraction": 1.5}, "between 0 and 1, not 1.5."),
        ({"fraction": (0.5, 0.2)}, "between 0 and 1, not (0.5, 0.2)."),
        ({"fraction": (0.1, 0.2, 0.3)}, "between 0 and 1, not (0.1, 0.2, 0.3)."),
        ({"fraction": float("nan")}, "between 0 and 1, not nan."),
        ({"fraction": "half"}, "between 0 and 1, not 'half'."),
        ({"fraction": (None, 1)}, "between 0 and 1, not (None, 1)."),
    ],
)
def test_bad_numbers_are_refused(options, expected):
    with pytest.raises(UserError) as caught:
        SelectRows(**options)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "options", "expected"),
    [
        ([0, 1, 2], {"min_per_class": 2}, "leaves no training row (min_per_class=2): select more."),
        ([0, 1], {"fraction": 0.1}, "leaves no training row (fraction=(0.0, 0.1)): select more."),
        (
            [0, 1, 1, 1],
            {"min_per_class": 2, "per_class": 2},
            "leaves one class only, 'class 1' (per_class=2, min_per_class=2): at least two are",
        ),
        ([0, 0], {}, "SelectRows leaves one class only, 'class 0'"),
        ([-1, -1], {"per_class": 1}, "need labels, but the training rows have none"),
    ],
)
def test_selections_that_leave_too_little(labels, options, expected):
    with pytest.raises(UserError) as caught:
        select(labels, **options)
    assert expected in str(caught.value)


@settings(max_examples=60)
@given(LABELS, st.floats(0.01, 0.99), st.integers(0, 2**62))
def test_validation_is_a_stratified_partition(labels, fraction, seed):
    labels = np.array(labels)
    train, validation = split_validation(ids_of(labels), labels, fraction, seed)
    assert sorted([*train, *validation]) == list(range(len(labels)))
    assert (np.diff(train) > 0).all() and (np.diff(validation) > 0).all()
    assert train.dtype == validation.dtype == np.int64
    assert set(labels[train]) == set(labels.tolist())
    for code, count in Counter(labels.tolist()).items():
        assert abs((labels[validation] == code).sum() - count * fraction) <= 1


@settings(max_examples=30)
@given(LABELS, st.integers(0, 9), st.randoms(use_true_random=False))
def test_validation_rows_do_not_depend_on_the_order_of_rows(labels, seed, random):
    labels, ids = np.array(labels), ids_of(labels)
    order = list(range(len(labels)))
    random.shuffle(order)
    held_out = ids[split_validation(ids, labels, 0.3, seed)[1]]
    shuffled = ids[order][split_validation(ids[order], labels[order], 0.3, seed)[1]]
    assert sorted(held_out) == sorted(shuffled)


def test_validation_draws_by_seed():
    labels = labels_of(30, 30)
    draws = [tuple(split_validation(ids_of(labels), labels, 0.1, seed)[1]) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2] and len(draws[0]) == 6


def test_unlabelled_rows_are_split_at_random():
    train, validation = split_validation(ids_of(range(50)), np.full(50, -1), 0.1, 0)
    assert (len(train), len(validation)) == (45, 5)
    assert validation.tolist() != list(range(45, 50))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_bad_validation_fractions(fraction):
    with pytest.raises(UserError, match=f"lies between 0 and 1, not at {fraction}"):
        split_validation(ids_of(range(6)), labels_of(3, 3), fraction, 0)


@pytest.mark.parametrize("labels", [[], [0, 1, 2]])
def test_nothing_to_validate_on(labels):
    with pytest.raises(UserError, match=f"none of the {len(labels)} training rows can be set"):
        split_validation(ids_of(labels), np.array(labels, dtype=np.int64), 0.5, 0)
