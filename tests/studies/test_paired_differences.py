from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fewshot.studies.paired_differences import TRAINED, holm, p_value, paired
from tests.studies.budget_runs import LABELS, rotation_and_scratch, single_runs

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=6).map(np.array)


@pytest.fixture
def found():
    return rotation_and_scratch()


def by_row(table):
    return table.set_index(["method", "way", "budget"]).sort_index()


def test_differences_are_scipys(found):
    table = by_row(paired(found, "top1", "scratch"))
    values = found.set_index(["method", "way", "budget", "seed"])["top1"].sort_index()
    for budget in LABELS:
        for way in (TRAINED, "k-NN"):
            row = table.loc["rotation", way, budget]
            own, base = values.loc["rotation", way, budget], values.loc["scratch", TRAINED, budget]
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
            assert row["p"] == pytest.approx(stats.ttest_rel(own, base).pvalue, rel=1e-9)
            mean = stats.t.interval(0.95, 4, loc=own.mean(), scale=stats.sem(own))
            assert row["mean"] + row["ci95"] == pytest.approx(mean[1])
            assert row["n"] == 5
    assert table.loc["rotation", TRAINED, "10"]["above_zero"]
    assert not table.loc["rotation", "k-NN", "10"]["above_zero"]
    assert np.isnan(table.loc["scratch", TRAINED, "1"]["difference"])
    assert np.isnan(table.loc["scratch", TRAINED, "1"]["p_holm"])


def test_a_seed_that_one_of_them_lacks_pairs_with_nothing(found):
    lacking = found[~((found["method"] == "scratch") & (found["seed"] == 2))]
    table = by_row(paired(lacking, "top1", "scratch"))
    kept = by_row(paired(found[found["seed"] != 2], "top1", "scratch"))
    one = ("rotation", TRAINED, "10")
    for name in ("difference", "difference_ci95", "p"):
        assert table.loc[one, name] == pytest.approx(kept.loc[one, name])
    assert (table.loc[one, "n"], table.loc[one, "n_difference"]) == (5, 4)


@pytest.mark.parametrize(
    ("differences", "expected"), [([0.1], np.nan), ([0.25, 0.25], 0), ([0.0, 0.0, 0.0], 1)]
)
def test_p_of_what_does_not_vary(differences, expected):
    assert p_value(np.array(differences)) == pytest.approx(expected, nan_ok=True)


@given(P_VALUES)
def test_holm_is_bonferroni_closed_over_all_subsets(p):
    """A hypothesis is rejected where Bonferroni rejects every set of hypotheses with it."""
    places = range(len(p))
    sets = [some for size in places for some in combinations(places, size + 1)]
    closed = [max(min(1, len(s) * p[list(s)].min()) for s in sets if i in s) for i in places]
    assert holm(p) == pytest.approx(closed)


def test_holm_of_what_was_not_tested():
    assert holm(np.array([0.04, np.nan, 0.01])) == pytest.approx([0.04, np.nan, 0.02], nan_ok=True)
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_what_is_fine_tuned_is_one_family_and_all_heads_are_another():
    rng = np.random.default_rng(1)
    base = rng.normal(0.5, 0.05, (4, 3))

    def near(shift):
        return base + shift + rng.normal(0, 0.01, (4, 3))

    runs = single_runs(
        scratch={TRAINED: base, "k-NN": near(-0.05)},
        rotation={TRAINED: near(0.03), "k-NN": near(0.0), "probe": near(0.02)},
        simclr={TRAINED: near(0.01)},
    )
    table = by_row(paired(runs, "top1", "scratch"))
    fine_tuned = [("rotation", TRAINED, "10"), ("simclr", TRAINED, "10")]
    heads = [("scratch", "k-NN", "10"), ("rotation", "k-NN", "10"), ("rotation", "probe", "10")]
    for family in (fine_tuned, heads):
        rows = table.loc[family]
        assert rows["p_holm"].to_numpy() == pytest.approx(holm(rows["p"].to_numpy()))
        assert (rows["p_holm"] > rows["p"]).any()
