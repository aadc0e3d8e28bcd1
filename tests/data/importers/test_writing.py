import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.data.images.store import open_store
from fewshot.data.images.vouching import noted, vouch
from fewshot.data.importers.writing import (
    checked_source,
    hold_out_test,
    ids_from_paths,
    write_array,
    write_list,
    write_styles,
)
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError


def test_source_is_checked(tmp_path):
    assert checked_source(str(tmp_path), "Thing", "pictures") == tmp_path
    with pytest.raises(UserError, match=r"Thing.source is not bound: bind the folder that holds p"):
        checked_source(None, "Thing", "pictures")
    with pytest.raises(UserError, match=r"Thing.source .*/no is not a folder: bind the one that"):
        checked_source(tmp_path / "no", "Thing", "pictures")


@pytest.mark.parametrize("missing", ["train", "test"])
def test_a_part_without_images_is_named(tmp_path, missing):
    parts = [part for part in ("train", "validation", "test") if part != missing]
    with pytest.raises(UserError, match=rf"none of the 2 images .* is in the {missing} part"):
        write_styles(tmp_path, ["a", "b"], ["X", "Y"], parts, top=20)
    assert not list(tmp_path.iterdir())


def test_styles_and_splits(tmp_path):
    parts = ["train", "validation", "test", "train", "test"]
    write_styles(tmp_path, list("abcde"), ["X", "X", "X", "Y,Z", "Y,Z"], parts, top=20)
    table = read_rows(tmp_path / "styles.csv")
    assert table.to_dict("list") == {
        "id": list("abcde"),
        "articleType": ["X", "X", "X", "Y,Z", "Y,Z"],
        "year": ["2018", "2016", "2019", "2018", "2019"],
        "split": parts,
    }
    for name, ids in (("train", "ad"), ("validation", "b"), ("test", "ce")):
        assert read_rows(tmp_path / f"{name}.csv")["id"].tolist() == list(ids)
    assert (tmp_path / "train_top2.csv").is_file()  # no more than there are classes


def test_arrays_and_lists_are_what_the_stores_read(tmp_path, save_image):
    array = np.random.default_rng(0).integers(0, 256, (3, 8, 6), dtype=np.uint8)
    (tmp_path / "array").mkdir()
    (tmp_path / "list").mkdir()
    write_array(tmp_path / "array", ["x", "y", "z"], array)
    assert set(open_store(tmp_path / "array").find("xyzw")) == set("xyz")
    path = tmp_path / "odd, name/a.png"
    save_image(path)
    assert write_list(tmp_path / "list", ["x"], [path], path.parent) == [path.parent]
    (tmp_path / "list/import.json").write_text(noted({}, [path.parent]))
    vouch(tmp_path / "list")
    assert set(open_store(tmp_path / "list").find("xy")) == {"x"}


def test_ids_say_where_the_file_lies():
    assert ids_from_paths(["a/b.jpg", "a/Grüße 1.jpg", "c..jpg"]) == [
        "a__b.jpg",
        "a__Grüße_1.jpg",
        "c_jpg",
    ]


@settings(max_examples=50)
@given(st.lists(st.text("a/_ .,", min_size=1, max_size=5), unique=True, max_size=20))
def test_ids_are_unique_safe_and_their_own(paths):
    ids = ids_from_paths(paths)
    assert len(set(ids)) == len(paths)
    assert not any("/" in i or ".." in i or "," in i or " " in i for i in ids)
    assert dict(zip(paths, ids, strict=True)) == dict(
        zip(reversed(paths), ids_from_paths(paths[::-1]), strict=True)
    )


@settings(max_examples=25)
@given(st.integers(2, 40), st.integers(2, 40), st.floats(0.05, 0.95))
def test_held_out_rows_are_stratified_and_keyed_by_id(n, m, fraction):
    ids = [str(i) for i in range(n + m)]
    labels = ["a"] * n + ["b"] * m
    parts = hold_out_test(ids, labels, ["train"] * (n + m), fraction, "Thing")
    table = pd.DataFrame({"id": ids, "label": labels, "part": parts})
    for label, rows in (("a", n), ("b", m)):
        held = ((table["label"] == label) & (table["part"] == "test")).sum()
        assert abs(held - rows * fraction) <= 1
        assert held < rows
    backwards = hold_out_test(ids[::-1], labels[::-1], ["train"] * (n + m), fraction, "Thing")
    assert backwards == parts[::-1]


def test_only_training_rows_are_held_out():
    parts = ["validation"] * 4 + ["train"] * 4
    moved = hold_out_test(list("abcdefgh"), ["x"] * 8, parts, 0.5, "Thing")
    assert moved[:4] == ["validation"] * 4
    assert sorted(moved[4:]) == ["test", "test", "train", "train"]


def test_impossible_fractions_are_named():
    with pytest.raises(UserError, match=r"Thing.test_fraction is 1.5: give a number between"):
        hold_out_test(["a"], ["x"], ["train"], 1.5, "Thing")
    with pytest.raises(UserError, match=r"Thing: no class has two images"):
        hold_out_test(["a", "b"], ["x", "y"], ["train"] * 2, 0.5, "Thing")
