import pytest
from scipy import stats

from fewshot.studies.budget_lines import BudgetLines
from fewshot.studies.paired_differences import TRAINED
from tests.studies.budget_runs import METHODS, MORE_LABELS, whole_study


def test_differences_are_paired_by_seed_as_scipys_are():
    runs = whole_study()
    runs = runs[~((runs["method"] == "rotation") & (runs["seed"] == 1))]
    lines = BudgetLines.read(runs, "top1", "scratch").differences()
    assert [line.name for line in lines] == METHODS
    values = runs[(runs["way"] == TRAINED) & (runs["budget"] == "20")]
    values = values.pivot(index="seed", columns="method", values="top1").dropna()
    low, high = stats.ttest_rel(values["rotation"], values["scratch"]).confidence_interval()
    mean, half = lines[0].means[4], lines[0].halves[4]
    assert (mean - half, mean + half) == (pytest.approx(100 * low), pytest.approx(100 * high))
    assert lines[0].labels.tolist() == list(MORE_LABELS.values())


def test_scratch_is_beside_every_head_and_a_method_looks_alike_everywhere():
    lines = BudgetLines.read(whole_study(), "top1", "scratch")
    assert lines.heads == ["linear probe", "k-NN", "nearest prototype"]
    tuned, probed = lines.figures(TRAINED), lines.figures("k-NN")
    assert [line.name for line in tuned] == ["scratch", *METHODS]
    assert [line.name for line in probed] == ["scratch", "untrained", *METHODS]
    assert [line.style for line in probed] == ["--", ":"] + ["-"] * 6
    looks = [(line.colour, line.marker) for line in tuned[1:]]
    assert looks == [(line.colour, line.marker) for line in probed[2:]]
    assert len(set(looks)) == len({colour for colour, _ in looks}) == 6
    assert tuned[0].means == pytest.approx(probed[0].means)
    assert tuned[0].means.max() > 80, "in percent"


def test_without_scratch_there_are_no_differences():
    runs = whole_study()
    lines = BudgetLines.read(runs[runs["method"] != "scratch"], "top1", "scratch")
    assert lines.differences() == []
    assert [line.name for line in lines.figures(TRAINED)] == METHODS
