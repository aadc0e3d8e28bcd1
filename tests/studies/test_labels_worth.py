import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from fewshot.studies.labels_worth import (
    TRAINED,
    in_words,
    labels_reaching,
    paired,
    same_as,
    sentences,
    worth,
)

LABELS = {"1": 1.0, "10": 10.0, "100": 100.0}


def single_runs(**methods):
    """{method: {way: array of [seeds, budgets]}} as a row a run."""
    rows = [
        {"method": method, "way": way, "budget": budget, "seed": seed, "labels": labels}
        | {"top1": values[seed][place]}
        for method, ways in methods.items()
        for way, values in ways.items()
        for seed in range(len(values))
        for place, (budget, labels) in enumerate(LABELS.items())
        if not np.isnan(values[seed][place])
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def found():
    rng = np.random.default_rng(0)
    base = np.array([0.3, 0.6, 0.8]) + rng.normal(0, 0.02, (5, 3))
    better = base + np.array([0.1, 0.06, 0.01]) + rng.normal(0, 0.01, (5, 3))
    return single_runs(scratch={TRAINED: base}, rotation={TRAINED: better, "k-NN": better - 0.2})


class TestPaired:
    def test_differences_are_scipys(self, found):
        table = paired(found, "top1", "scratch").set_index(["method", "way", "budget"]).sort_index()
        values = found.set_index(["method", "way", "budget", "seed"])["top1"].sort_index()
        for budget in LABELS:
            for way in (TRAINED, "k-NN"):
                row = table.loc["rotation", way, budget]
                own, base = (
                    values.loc["rotation", way, budget],
                    values.loc["scratch", TRAINED, budget],
                )
                for name, other in (
                    ("difference", base),
                    ("difference_to_all", values.loc["scratch", TRAINED, "100"]),
                ):
                    low, high = stats.ttest_rel(own, other).confidence_interval(0.95)
                    half = row[f"{name}_ci95"]
                    assert row[name] - half == pytest.approx(low)
                    assert row[name] + half == pytest.approx(high)
                low, high = stats.ttest_rel(own, base).confidence_interval(0.95)
                assert row["above_zero"] == (low > 0)
                mean = stats.t.interval(0.95, 4, loc=own.mean(), scale=stats.sem(own))
                assert row["mean"] + row["ci95"] == pytest.approx(mean[1])
                assert row["n"] == 5
        assert table.loc["rotation", TRAINED, "10"]["above_zero"]
        assert not table.loc["rotation", "k-NN", "10"]["above_zero"]
        assert np.isnan(table.loc["scratch", TRAINED, "1"]["difference"])

    def test_a_seed_that_one_of_them_lacks_pairs_with_nothing(self, found):
        lacking = found[~((found["method"] == "scratch") & (found["seed"] == 2))]
        table = (
            paired(lacking, "top1", "scratch").set_index(["method", "way", "budget"]).sort_index()
        )
        kept = paired(found[found["seed"] != 2], "top1", "scratch")
        kept = kept.set_index(["method", "way", "budget"]).sort_index()
        one = ("rotation", TRAINED, "10")
        assert table.loc[one, "difference"] == pytest.approx(kept.loc[one, "difference"])
        assert table.loc[one, "difference_ci95"] == pytest.approx(kept.loc[one, "difference_ci95"])
        assert (table.loc[one, "n"], table.loc[one, "n_difference"]) == (5, 4)


def test_differences_in_words():
    table = pd.DataFrame(
        {
            "method": ["scratch", "rotation", "scratch", "rotation", "rotation"],
            "way": [TRAINED, TRAINED, "k-NN", "k-NN", TRAINED],
            "budget": ["10", "10", "10", "10", "20"],
            "difference": [np.nan, 0.061, -0.1, 0.07, 0.5],
            "difference_ci95": [np.nan, 0.0081, 0.02, np.nan, 0.1],
            "n": [5, 5, 5, 5, 5],
            "n_difference": [np.nan, 5, 5, 1, 5],
        }
    )
    assert in_words(table, "10", "scratch") == [
        "rotation (k-NN) - scratch at 10 a class: +7.0, n = 1",
        "rotation (fine-tuning) - scratch at 10 a class: +6.1 ± 0.8, n = 5",
        "untrained encoder (k-NN) - scratch at 10 a class: -10.0 ± 2.0, n = 5",
    ]
    assert in_words(table[["budget"]], "10", "scratch") == []


class TestReaching:
    def test_on_the_curve_between_and_beyond(self):
        labels, scores = np.array([1.0, 10.0, 1000.0]), np.array([0.2, 0.4, 0.8])
        assert labels_reaching(0.4, scores, labels) == pytest.approx(10)
        assert labels_reaching(0.3, scores, labels) == pytest.approx(10**0.5)
        assert labels_reaching(0.6, scores, labels) == pytest.approx(100)
        assert labels_reaching(0.1, scores, labels) == 1
        assert labels_reaching(0.9, scores, labels) == np.inf

    def test_a_dip_is_smoothed(self):
        labels, scores = np.array([1.0, 10.0, 100.0]), np.array([0.5, 0.3, 0.8])
        assert labels_reaching(0.4, scores, labels) == 1
        assert labels_reaching(0.6, scores, labels) == pytest.approx(10 * 10**0.5)

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.lists(st.floats(0, 1), min_size=4, max_size=4), st.floats(-0.5, 1.5), st.floats(0, 0.5)
    )
    def test_more_is_never_reached_with_fewer(self, scores, value, more):
        labels = np.array([1.0, 5.0, 20.0, 100.0])
        few = labels_reaching(value, np.array(scores), labels)
        assert few <= labels_reaching(value + more, np.array(scores), labels)
        assert few in (np.inf,) or labels[0] <= few <= labels[-1] * (1 + 1e-9)

    def test_the_interval_holds_the_estimate_and_closes_without_noise(self, found):
        base = np.tile([0.2, 0.4, 0.8], (5, 1))
        labels = np.array([1.0, 10.0, 1000.0])
        assert same_as(np.full(5, 0.6), base, labels) == pytest.approx((100, 100, 100))
        row = worth(found, "top1", "scratch").set_index(["way", "budget"]).loc[TRAINED, "10"]
        assert row["low"] < row["same_as"] < row["high"]
        assert row["same_as"] > 10 and row["most"] == found["labels"].max()
        assert same_as(np.array([0.6]), base[:1], labels)[0] == pytest.approx(100)
        assert np.isnan(same_as(np.array([0.6]), base[:1], labels)[1])


def test_the_sentence_names_method_way_labels_and_interval():
    table = pd.DataFrame(
        {
            "method": ["rotation", "simclr"],
            "way": [TRAINED, "k-NN"],
            "budget": ["10", "10"],
            "labels": [10.0, 10.0],
            "own": [0.5, 0.6],
            "same_as": [4.55, 34.2],
            "low": [3.2, 25.3],
            "high": [7.0, np.inf],
            "most": [6000.0, 6000.0],
            "n": [5, 5],
        }
    )
    assert list(sentences(table, "10")) == [
        "With simclr and k-NN, 10 labels a class do what 34 do from scratch "
        "(95 % interval 25 to more than 6,000, n = 5).",
        "With rotation and fine-tuning, 10 labels a class do what 4.5 do from scratch "
        "(95 % interval 3.2 to 7, n = 5).",
    ]
    assert list(sentences(table.iloc[:0], "10")) == []
