import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from fewshot.reports.shown_tables import shown
from fewshot.reports.wilson import wilson, with_interval
from fewshot.sections import Table


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (3, 7), (431, 1000), (1, 1)])
def test_the_interval_is_scipys(right, n):
    low, high = wilson(np.array([right / n]), np.array([float(n)]))
    expected = binomtest(right, n).proportion_ci(method="wilson")
    np.testing.assert_allclose([low[0], high[0]], [expected.low, expected.high], atol=1e-12)


def test_a_class_without_images_has_none():
    low, high = wilson(np.array([0.0]), np.array([0.0]))
    assert np.isnan([low, high]).all()


def per_class():
    return pd.DataFrame(
        {"class": ["a", "b", "c"], "n": [20, 5, 0], "n_train": [9, 0, 4], "top1": [0.5, 0.0, None]}
    )


def test_a_per_class_table_has_it_beside_top1_and_in_its_totals():
    found = shown(Table("per_class.csv", per_class()))
    assert found.frame.columns.tolist() == ["class", "n", "n_train", "top1", "95 % interval"]
    low, high = binomtest(10, 20).proportion_ci(method="wilson")
    assert found.frame["95 % interval"].tolist()[0] == f"{low:.3f} to {high:.3f}"
    assert pd.isna(found.frame["95 % interval"].tolist()[1])  # the model does not have the class
    low, high = binomtest(10, 25).proportion_ci(method="wilson")
    assert found.totals["95 % interval"].tolist()[0] == f"{low:.3f} to {high:.3f}"
    assert pd.isna(found.totals["95 % interval"].tolist()[1])
    assert "Wilson" in found.note


def test_a_table_of_episodes_has_none():
    frame = per_class().drop(columns="n_train")
    assert with_interval(frame) is frame


def test_a_table_whose_figures_are_none_is_shown_as_it_is():
    frame = pd.DataFrame(
        {"class": ["a", "b"], "n": [4, 6], "n_train": [10, 10], "top1": ["0.5", "1.0}"]}
    )
    pd.testing.assert_frame_equal(with_interval(frame), frame)
    assert shown(Table("per_class.csv", frame)).frame["top1"].tolist() == ["0.5", "1.0}"]
