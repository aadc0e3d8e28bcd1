"""Label budgets within one evaluation: the rows that runs train on, nested, honestly counted."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.data.selection import SelectRows
from fewshot.errors import UserError
from fewshot.evaluation.label_budgets import LabelBudgets
from fewshot.heads.knn import KNN, knn
from fewshot.heads.prototypes import NearestPrototype
from tests.evaluation.fakes import FakeDataset, PixelObjective, random_rows

HEADS = {"k-NN": lambda: KNN(k=1), "nearest prototype": NearestPrototype}


def budgets(*values, heads=HEADS, **more):
    return LabelBudgets(heads, values, rows=SelectRows, **more)


@settings(max_examples=25)
@given(
    st.lists(st.sampled_from(["a", "b", "c", None]), min_size=6, max_size=60),
    st.integers(0, 5),
    st.randoms(),
)
def test_rows_are_nested_stratified_and_those_of_a_run(labels, seed, order):
    labels = ["a", "b", *labels]
    data = FakeDataset(np.zeros((len(labels), 2)), labels)
    chosen = [budgets(seed=seed).chosen(data, n) for n in (1, 2, 5, 1000, None)]
    for fewer, more in pairwise(chosen):
        assert set(fewer) <= set(more)
    sizes = np.bincount(data.labels[data.labels >= 0])
    for n, rows in zip((1, 2, 5), chosen, strict=False):
        assert np.bincount(data.labels[rows]).tolist() == np.minimum(sizes, n).tolist()
    assert chosen[-2].tolist() == chosen[-1].tolist() == np.flatnonzero(data.labels >= 0).tolist()
    # a run is given the same ids, in whatever order its CSV has them
    moved = np.array(order.sample(range(len(labels)), len(labels)))
    table = pd.DataFrame({"id": data.ids[moved]})
    rows = SelectRows(per_class=2)(table, data.labels[moved], data.class_names, seed)
    assert set(data.ids[moved][rows]) == set(data.ids[chosen[1]])


def test_figures_are_those_of_the_heads_on_the_chosen_rows():
    train = FakeDataset(*random_rows(60, 4, 0))
    test = FakeDataset(*random_rows(40, 4, 1), first_id=100)
    evaluator = budgets(1, 5, None, seed=3)
    found = evaluator(PixelObjective(), {"train": train, "test": test})
    told = found.metrics["test"]["label_budgets"]
    assert list(told) == ["1", "5", "all"]
    whole = train.images(np.arange(60)).flatten(1).float()
    for name, budget in (("1", 1), ("5", 5), ("all", None)):
        rows = evaluator.chosen(train, budget)
        place = lambda x: (x - whole.mean(0)) / whole.std(0)  # noqa: E731
        query = place(test.images(np.arange(40)).flatten(1).float())
        scores = knn(place(whole[rows]), torch.from_numpy(train.labels[rows]), query, 6, 1)
        best = scores.argmax(1).numpy()
        assert told[name]["k-NN"]["top1"] == pytest.approx((best == test.labels).mean())
        assert told[name]["rows"] == len(rows)
        assert told[name]["smallest_class"] == np.bincount(train.labels[rows]).min()
        assert told[name]["labels"] == pytest.approx(len(rows) / 6)
    table = found.sections[0].blocks[0].frame
    assert table["labels a class"].tolist() == ["1", "5", "all"]


def test_a_small_class_keeps_what_it_has_and_is_counted():
    train = FakeDataset(np.arange(12).reshape(6, 2), ["a"] * 4 + ["b"] * 2)
    told = budgets(4)(PixelObjective(), {"train": train, "validation": train})
    figures = told.metrics["validation"]["label_budgets"]["4"]
    assert (figures["rows"], figures["smallest_class"], figures["labels"]) == (6, 2, 3)
    assert "train" not in told.metrics


def test_no_more_neighbours_are_asked_than_the_largest_class_has_labels():
    train = FakeDataset([[101], [200], [98], [97], [96]], ["b", "b", "a", "a", "a"])
    near = FakeDataset([[100]], ["b"], first_id=100)

    def top1(k, budget, limits_k=True):
        told = budgets(budget, heads={"k-NN": lambda: KNN(k=k)}, limits_k=limits_k)
        found = told(PixelObjective(), {"train": train, "test": near}).metrics["test"]
        return next(iter(found["label_budgets"].values()))["k-NN"]["top1"]

    # the nearest is a b, the next are all a: of three neighbours, two are of the other class
    assert [top1(k, 2) for k in (2, 3, 5)] == [1, 1, 1]
    assert [top1(k, None) for k in (2, 3, 5)] == [1, 0, 0], "a has three labels"
    assert [top1(k, 2, limits_k=False) for k in (2, 3)] == [1, 0], "only where that is asked"
    many = {"k-NN": lambda: KNN(k=5)}
    budgets(2, heads=many, limits_k=True).check(None, {"train": train})
    with pytest.raises(UserError, match=r"KNN\.k is 5, but there are 4 references"):
        budgets(2, heads=many).check(None, {"train": train})


def test_a_constant_feature_and_mistakes():
    train = FakeDataset([[7, 0], [7, 1], [7, 8], [7, 9]], ["a", "a", "b", "b"])
    told = budgets(1)(PixelObjective(), {"train": train, "test": train})
    assert told.metrics["test"]["label_budgets"]["1"]["k-NN"]["top1"] == 1
    with pytest.raises(UserError, match=r"LabelBudgets\.budgets has 0: name 1 or more, or None"):
        budgets(0)
    with pytest.raises(UserError, match=r"LabelBudgets\.heads\['x'\]"):
        budgets(1, heads={"x": torch.nn.Linear})
