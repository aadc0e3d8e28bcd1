import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fewshot import seeding
from fewshot.spreadsheet import read_csv, write_csv
from fewshot.studies.labels_worth import labels_reaching, same_as, told, told_interval, worth
from fewshot.studies.paired_differences import TRAINED
from tests.studies.budget_runs import rotation_and_scratch, single_runs

LABELS = np.array([1.0, 5.0, 20.0, 100.0, 6000.0])
TRUE = np.array([0.35, 0.6, 0.73, 0.78, 0.886])


def drawn(seeds, level, *key, noise=0.02, spread=0.015, curve=TRUE):
    """Scores [S, B] of a curve that is known on average, and own [S] that is level.

    Seeds are lucky or not at all budgets together, as they are where they share images.
    """
    draws = seeding.generator("labels worth", *key)
    luck = draws.normal(0, noise, (seeds, 1))
    scores = curve + luck + draws.normal(0, spread, (seeds, len(curve)))
    return level + luck[:, 0] + draws.normal(0, spread, seeds), scores


class TestReaching:
    def test_on_the_curve_between_and_beyond(self):
        labels, scores = np.array([1.0, 10.0, 1000.0]), np.array([0.2, 0.4, 0.8])
        assert labels_reaching(0.4, scores, labels) == pytest.approx(10)
        assert labels_reaching(0.3, scores, labels) == pytest.approx(10**0.5)
        assert labels_reaching(0.6, scores, labels) == pytest.approx(100)
        assert labels_reaching(0.2, scores, labels) == 1
        assert labels_reaching(0.1, scores, labels) == 0, "fewer than the fewest"
        assert labels_reaching(0.9, scores, labels) == np.inf

    def test_a_dip_is_smoothed(self):
        labels, scores = np.array([1.0, 10.0, 100.0]), np.array([0.5, 0.3, 0.8])
        assert labels_reaching(0.4, scores, labels) == 1
        assert labels_reaching(0.6, scores, labels) == pytest.approx(10 * 10**0.5)

    @given(
        st.lists(st.floats(0, 1), min_size=4, max_size=4), st.floats(-0.5, 1.5), st.floats(0, 0.5)
    )
    def test_more_is_never_reached_with_fewer(self, scores, value, more):
        labels = LABELS[:4]
        few = labels_reaching(value, np.array(scores), labels)
        assert few <= labels_reaching(value + more, np.array(scores), labels)
        assert few in (0, np.inf) or labels[0] <= few <= labels[-1] * (1 + 1e-9)


class TestInterval:
    @pytest.mark.parametrize("level", [0.3, 0.36, 0.45, 0.61, 0.74, 0.8, 0.88, 0.95])
    @pytest.mark.parametrize("seeds", [2, 4, 5])
    def test_it_holds_what_scipys_paired_test_does_not_reject(self, seeds, level):
        own, scores = drawn(seeds, level, seeds, str(level), noise=0.05, spread=0.004)
        assert (np.diff(scores.mean(0)) > 0).all(), "nothing is smoothed"
        grid = np.linspace(0, np.log(6000), 4001)
        at = np.array([np.interp(grid, np.log(LABELS), seed) for seed in scores])
        kept = np.exp(grid[stats.ttest_rel(at, own[:, None], axis=0).pvalue >= 0.05])
        same, low, high = same_as(own, scores, LABELS)
        beyond = 0 if level < TRUE[0] else np.inf
        expected = (kept.min(), kept.max()) if len(kept) else (beyond, beyond)
        expected = (0 if expected[0] == 1 else expected[0], expected[1])
        expected = (expected[0], np.inf if expected[1] >= 5999 else expected[1])
        assert (low, high) == pytest.approx(expected, rel=0.005)
        assert low <= same <= high

    @pytest.mark.parametrize("seeds", [4, 5])
    @pytest.mark.parametrize("true", [1.3, 30.0, 1000.0])
    def test_it_covers_as_often_as_it_says(self, seeds, true):
        """A percentile bootstrap over four seeds covers some 80 % here."""
        studies = 4000
        level = np.interp(np.log(true), np.log(LABELS), TRUE)
        own, scores = drawn(studies * seeds, level, seeds, str(true))
        parts = zip(own.reshape(studies, seeds), scores.reshape(studies, seeds, -1), strict=True)
        _, low, high = np.array([same_as(*part, LABELS) for part in parts]).T
        missed = np.array([(true < low).mean(), (high < true).mean()])
        # four standard errors of so many studies
        assert missed.sum() == pytest.approx(0.05, abs=0.014)
        assert missed == pytest.approx(0.025, abs=0.01)

    @pytest.mark.parametrize(("true", "held"), [(20.0, 0.965), (300.0, 0.99)])
    def test_on_a_plateau_it_is_long_rather_than_short(self, true, held):
        """Its pooled means meet variances that are not pooled."""
        studies, curve = 2000, np.array([0.35, 0.6, 0.75, 0.75, 0.75])
        own, scores = drawn(studies * 4, 0.75, "plateau", str(true), curve=curve)
        parts = zip(own.reshape(studies, 4), scores.reshape(studies, 4, -1), strict=True)
        _, low, high = np.array([same_as(*part, LABELS) for part in parts]).T
        assert ((low <= true) & (true <= high)).mean() == pytest.approx(held, abs=0.014)

    def test_it_closes_without_noise_and_needs_two_seeds(self):
        base, labels = np.tile([0.2, 0.4, 0.8], (5, 1)), np.array([1.0, 10.0, 1000.0])
        assert same_as(np.full(5, 0.6), base, labels) == pytest.approx((100, 100, 100))
        for level, at in ((0.2, 1), (0.4, 10), (0.8, 1000), (0.1, 0), (0.9, np.inf)):
            assert same_as(np.full(5, level), base, labels) == pytest.approx((at, at, at))
        assert same_as(np.array([0.6]), base[:1], labels)[0] == pytest.approx(100)
        assert np.isnan(same_as(np.array([0.6]), base[:1], labels)[1:]).all()

    def test_one_budget_of_scratch(self):
        own, base = np.array([0.5, 0.6, 0.7]), np.array([[0.5], [0.5], [0.5]])
        assert same_as(own, base, np.array([10.0])) == (np.inf, 0, np.inf)
        assert same_as(own - 0.4, base, np.array([10.0])) == (0, 0, 0)
        assert same_as(base[:, 0], base, np.array([10.0])) == (10, 10, 10)

    @given(st.integers(0, 10**6), st.integers(2, 6), st.floats(0, 1))
    def test_it_holds_the_estimate_also_where_the_curve_dips(self, key, seeds, level):
        own, scores = drawn(seeds, level, key, noise=0.1, spread=0.2)
        same, low, high = same_as(own, scores, LABELS)
        assert low <= same * (1 + 1e-9) and same <= high * (1 + 1e-9)


class TestWorth:
    def test_a_row_tells_what_its_estimate_lies_between(self):
        table = worth(rotation_and_scratch(), "top1", "scratch").set_index(["way", "budget"])
        row = table.loc[TRAINED, "10"]
        assert row["low"] < row["same_as"] < row["high"]
        assert row["same_as"] > 10
        assert (row["fewest"], row["most"], row["n"]) == (1, 100, 5)
        assert (row["measured_below"], row["measured_above"], row["coarse"]) == (10, 100, True)

    def test_beyond_either_end_it_is_0_or_inf_also_in_the_csv(self, tmp_path):
        base = np.array([0.3, 0.6, 0.8]) + np.array([[-0.01], [0.0], [0.01]])
        wobble = np.array([[0.002, 0, 0]]).T
        runs = single_runs(
            scratch={TRAINED: base}, worse={TRAINED: base - 0.1 + wobble},
            better={TRAINED: base + 0.1 + wobble},
        )  # fmt: skip
        write_csv(worth(runs, "top1", "scratch"), tmp_path / "labels_worth.csv")
        table = read_csv(tmp_path / "labels_worth.csv").set_index(["method", "budget"])
        ends = ["low", "same_as", "high"]
        assert table.loc[("worse", 1), ends].tolist() == [0, 0, 0]
        assert table.loc[("better", 100), ends].tolist() == [np.inf] * 3
        assert table.loc[("worse", 1), ["measured_below", "measured_above"]].isna().all()
        assert 10 < table.loc[("better", 10), "low"] < table.loc[("better", 10), "high"] < 100

    def test_without_scratch_nothing_is_worth_anything(self):
        assert worth(single_runs(rotation={TRAINED: np.eye(3)}), "top1", "scratch").empty


def row(same_as, low, high, below=np.nan, above=np.nan, coarse=False):
    return {"same_as": same_as, "low": low, "high": high, "fewest": 1.0, "most": 6000.0} | {
        "measured_below": below, "measured_above": above, "coarse": coarse
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "text", "interval"),
    [
        (row(34.21, 25.3, 41.2, 20, 50), "34", "25 to 41"),
        (row(4.56, 3.24, 7.0, 2, 5), "4.6", "3.2 to 7"),
        (row(9.97, 9.94, 10.4, 5, 10), "10", "9.9 to 10"),
        (row(0, 0, 2.31), "fewer than 1", "fewer than 1 to 2.3"),
        (row(0, 0, 0), "fewer than 1", "all of it fewer than 1"),
        (row(np.inf, 4321, np.inf), "more than 6,000", "4,300 to more than 6,000"),
        (row(np.inf, np.inf, np.inf), "more than 6,000", "all of it more than 6,000"),
        (
            row(1234, 432.1, np.inf, 100, 6000, True),
            "about 1,200 (interpolated between 100 and 6,000)",
            "430 to more than 6,000",
        ),
        (row(34.2, np.nan, np.nan, 20, 50), "34", ""),
    ],
)
def test_two_digits_are_told_and_what_is_beyond(found, text, interval):
    assert (told(found), told_interval(found)) == (text, interval)


@pytest.mark.parametrize(
    ("level", "noise", "coarse"),
    [
        (0.67, 0.001, False),  # between 5 and 20, and known to be
        (0.67, 0.06, True),  # the interval holds several budgets
        (0.83, 0.001, True),  # between 100 and 6,000
    ],
)
def test_a_rough_guess_is_known_for_one(level, noise, coarse):
    rng = np.random.default_rng(3)
    own = np.full((4, 5), level) + rng.normal(0, noise, (4, 1))
    labels = {f"{value:.0f}": value for value in LABELS}
    runs = single_runs(labels, scratch={TRAINED: np.tile(TRUE, (4, 1))}, rotation={TRAINED: own})
    found = worth(runs, "top1", "scratch")
    assert isinstance(found, pd.DataFrame) and found["coarse"].tolist() == [coarse] * 5
