from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.data.splits.draw import held_out, held_out_groups
from fewshot.data.splits.listed import ListedParts
from fewshot.data.splits.parting import Parting, part_rows
from fewshot.errors import UserError

TYPES = st.sampled_from(["Tops", "Jeans", "Belts", "Socks"])
PRODUCTS = st.sampled_from([f"p{i}" for i in range(12)] + [""])


@st.composite
def tables(draw):
    """Rows with a type, a product and a year; at least two products of each of two types."""
    cells = draw(st.lists(st.tuples(TYPES, PRODUCTS), max_size=40))
    fixed = [("Tops", "a"), ("Tops", "b"), ("Jeans", "c"), ("Jeans", "d"), ("Jeans", "e")] * 2
    frame = pd.DataFrame(fixed + cells, columns=["articleType", "product"], dtype=str)
    frame.insert(0, "id", [str(7 * i) for i in range(len(frame))])
    frame["year"] = [str(2010 + i % 4) for i in range(len(frame))]
    return frame


PARTINGS = st.builds(
    Parting,
    test_fraction=st.sampled_from([0.1, 0.3, 0.6]),
    group_column=st.sampled_from([None, "product"]),
    validation=st.sampled_from([0.0, 0.2]),
)


def parts_of(table, parting, seed=0):
    try:
        return part_rows(table, parting, "articleType", seed)[0]
    except UserError as error:  # too few products are left to draw validation rows from
        assert "so none can be set apart for the validation part" in str(error)
        return part_rows(table, Parting(parting.test_fraction), "articleType", seed)[0]


@settings(max_examples=30)
@given(tables(), PARTINGS, st.integers(0, 5), st.randoms(use_true_random=False))
def test_parts_are_disjoint_complete_and_do_not_depend_on_the_order_of_rows(
    table, parting, seed, random
):
    parts = {name: set(part["id"]) for name, part in parts_of(table, parting, seed).items()}
    assert sum(len(part) for part in parts.values()) == len(table)
    assert set.union(*parts.values()) == set(table["id"])
    order = list(range(len(table)))
    random.shuffle(order)
    shuffled = parts_of(table.iloc[order].reset_index(drop=True), parting, seed)
    assert {name: set(part["id"]) for name, part in shuffled.items()} == parts


@settings(max_examples=30)
@given(tables(), PARTINGS, st.integers(0, 5))
def test_groups_are_never_split(table, parting, seed):
    parting = Parting(parting.test_fraction, None, "product", parting.validation)
    try:
        parts = part_rows(table, parting, "articleType", seed)[0]
    except UserError as error:
        assert "so none can be set apart" in str(error)
        return
    where = Counter()
    for part in parts.values():
        where.update(set(part["product"]) - {""})
    assert set(where.values()) <= {1}


@settings(max_examples=30)
@given(tables(), st.sampled_from([0.1, 0.3, 0.6]))
def test_drawn_test_rows_are_each_type_s_share(table, fraction):
    parts = part_rows(table, Parting(fraction), "articleType", 0)[0]
    whole, tested = table["articleType"].value_counts(), parts["test"]["articleType"].value_counts()
    for name, count in whole.items():
        assert abs(tested.get(name, 0) - count * fraction) < 1 or tested[name] == count - 1
        assert tested.get(name, 0) < count


@settings(max_examples=30)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.sampled_from([0.1, 0.5]))
def test_a_group_a_row_is_the_plain_draw(codes, fraction):
    codes, ids = np.array(codes), [f"i{i}" for i in range(len(codes))]
    plain = held_out(codes, ids, fraction, 3, "x")
    assert held_out_groups(codes, ids, fraction, 3, "x").tolist() == plain.tolist()


def test_validation_years_come_first_and_blocks_of_ids_stay_whole():
    table = pd.DataFrame(
        [(str(i), f"t{i % 2}", str(2010 + i % 6)) for i in range(600)],
        columns=["id", "articleType", "year"],
    )
    parting = Parting(validation=0.2, validation_years=(2010,), validation_block=25)
    parts, _, _ = part_rows(table, parting, "articleType", 0)
    assert set(parts["test"]["year"]) == {"2011", "2013", "2015"}
    assert (parts["validation"]["year"] == "2010").sum() == 100  # every row of that year
    assert "2010" not in set(parts["train"]["year"])
    drawn = parts["validation"][parts["validation"]["year"] != "2010"]
    blocks = [set(part["id"].astype(int) // 25) for part in (parts["train"], drawn)]
    assert not blocks[0] & blocks[1]
    assert len(blocks[1]) == round(0.2 * 600 / 25)


PLAIN = pd.DataFrame(
    [("a", "x", "p", "2010"), ("b", "x", "p", "2011"), ("c", "y", "q", "2012")],
    columns=["id", "articleType", "product", "year"],
)


@pytest.mark.parametrize(
    ("parting", "expected"),
    [
        (Parting(1.0), "--test-fraction is a fraction between 0 and 1, not 1.0."),
        (Parting(0.0), "--test-fraction is a fraction between 0 and 1, not 0.0."),
        (Parting(0.2, ListedParts("f", "", False)), "by fraction or as a file lists them"),
        (Parting(group_column="sku"), "there is no group column 'sku'; the columns are: id, art"),
        (Parting(group_column="product"), "groups of column 'product' would be in two parts: p."),
        (Parting(validation_block=5), "give that, too"),
        (
            Parting(validation=0.5, validation_block=5),
            "ids that are whole numbers, found a, b, c",
        ),
        (Parting(validation=0.5, validation_block=0), "from 1 on, not 0."),
        (
            Parting(validation=0.5, validation_block=5, group_column="product"),
            "by a group column or by blocks of ids: give one.",
        ),
    ],
)
def test_bad_partings_are_refused(parting, expected):
    with pytest.raises(UserError) as caught:
        part_rows(PLAIN, parting, "articleType", 0)
    assert expected in str(caught.value)


def test_validation_years_need_years():
    with pytest.raises(UserError, match="--validation-years needs a column 'year'"):
        part_rows(
            PLAIN.drop(columns="year"), Parting(0.4, validation_years=(2010,)), "articleType", 0
        )


def test_a_product_in_two_forms_of_unicode_is_one_product():
    names = [("Rose\u0301", "Ros\u00e9")[i % 2] + f" {i // 2}" for i in range(40)]
    rows = pd.DataFrame({"id": [str(i) for i in range(40)], "mod\u00e8le": names})
    rows["articleType"] = ["Tops", "Jeans"] * 20
    parting = Parting(test_fraction=0.4, group_column="mode\u0300le")
    parts = part_rows(rows, parting, "articleType", 0)[0]
    train, test = ({int(i) // 2 for i in parts[name]["id"]} for name in ("train", "test"))
    assert train.isdisjoint(test)
