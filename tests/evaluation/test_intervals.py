import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fewshot.evaluation.intervals import over_episodes, over_runs

VALUES = st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=2, max_size=40).map(np.array)


@given(VALUES)
def test_of_a_few_runs_the_interval_is_students(values):
    mean, spread, half = over_runs(values)
    assert (mean, spread) == (pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)))
    if stats.sem(values) > 1e-12:
        low, high = stats.t.interval(
            0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values)
        )
        assert (mean - half, mean + half) == (pytest.approx(low), pytest.approx(high))


@given(VALUES)
def test_of_many_episodes_it_is_the_normal_distributions(values):
    found = over_episodes(values)
    assert (found["mean"], found["n"]) == (pytest.approx(values.mean()), len(values))
    assert found["ci95"] == pytest.approx(stats.norm.ppf(0.975) * stats.sem(values), rel=1e-4)
    assert found["ci95"] <= over_runs(values).ci95


def test_one_sample_has_no_interval():
    one = np.array([0.5])
    assert np.isnan(over_episodes(one)["ci95"])
    assert np.isnan(over_runs(one)[1:]).all()
    assert over_runs(one).mean == over_episodes(one)["mean"] == 0.5
