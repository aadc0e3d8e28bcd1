import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.data.images import id_places
from fewshot.data.images.id_places import IdPlaces

PART = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(st.lists(PART, max_size=4), st.lists(st.sampled_from("abcdefghi"), max_size=12))
def test_the_last_place_of_each_id_is_found(parts, ids):
    flat = [image_id for part in parts for image_id in part]
    last = {image_id: place for place, image_id in enumerate(flat)}
    places = IdPlaces(*parts)
    assert places.find(ids).tolist() == [last.get(image_id, -1) for image_id in ids]
    assert sorted(places.counting().tolist()) == sorted(last.values())


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_ids_in_the_order_of_the_list_are_found_without_a_hash_table(chosen):
    ids = [str(number) for number in range(40)]
    rows = np.flatnonzero(chosen)
    places = IdPlaces(ids[:25], ids[25:])
    assert places[[ids[row] for row in rows]].tolist() == rows.tolist()
    hashed = "_places" in vars(places)
    assert hashed == (len(rows) * id_places._MANY < len(ids))


def test_few_of_many_ids_are_not_looked_for_one_after_the_other():
    places = IdPlaces([str(number) for number in range(1_000)])
    places._in_order = None
    assert places[["998", "3"]].tolist() == [998, 3]


def test_an_id_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="x"):
        IdPlaces(["a", "b"])[["a", "x"]]
    assert IdPlaces()[[]].tolist() == []
