from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.data.tables.columns import all_distinct, relabelled, text_of
from fewshot.errors import UserError

TABLE = pd.DataFrame({"id": ["1", "2", "3"], "year": [2012, 2013, 2014], "use": [" a ", None, ""]})


def test_text_is_trimmed_and_blank_where_nothing_is_said():
    assert text_of(TABLE, "use", []).tolist() == ["a", "", ""]
    assert text_of(TABLE, "year", []).tolist() == ["2012", "2013", "2014"]
    with pytest.raises(UserError, match=r"a/b\.csv has no column 'x'; its columns are: id, year"):
        text_of(TABLE, "x", [Path("a/b.csv")])


def test_names_and_texts_are_found_in_either_form_of_unicode():
    table = pd.DataFrame({"d\u00e9cor": ["Ros\u00e9", " Rose\u0301 "]})
    assert text_of(table, "de\u0301cor", []).tolist() == ["Ros\u00e9"] * 2


def test_labels_of_other_names_are_those_of_the_same_name():
    labels = np.array([0, 1, 2, -1])
    assert relabelled(labels, ["a", "b", "c"], ["c", "a"]).tolist() == [1, -1, 0, -1]


@given(st.lists(st.text("ab", max_size=3), max_size=8))
def test_names_are_distinct_where_a_set_of_them_loses_none(names):
    assert all_distinct(names) == (len(set(names)) == len(names))


def test_names_of_one_hash_are_told_apart():
    class Name(str):
        __slots__ = ()
        __hash__ = lambda self: 1  # noqa: E731

    assert all_distinct([Name("a"), Name("b")])
    assert not all_distinct([Name("a"), Name("a")])
