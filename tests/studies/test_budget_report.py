import numpy as np

from fewshot.studies.budget_report import saved_labels, study_text, table_of
from fewshot.studies.budget_words import in_words
from fewshot.studies.labels_worth import worth
from fewshot.studies.paired_differences import TRAINED, paired
from tests.studies.budget_runs import single_runs

BASE = np.array([[0.30, 0.60, 0.80], [0.31, 0.62, 0.80], [0.29, 0.59, 0.81], [0.30, 0.61, 0.79]])
SEEDS = np.array([[0.001], [-0.002], [0.0], [0.002]])
LABELS = {"1": 1.0, "10": 9.64, "all": 100.0}


def study():
    few = BASE - 0.1 - SEEDS
    few[3] = np.nan
    return single_runs(
        LABELS,
        scratch={TRAINED: BASE, "k-NN": BASE - 0.2},
        rotation={TRAINED: BASE + 0.05 + SEEDS, "k-NN": BASE + 0.01 * SEEDS},
        byol={TRAINED: few},
    )


def text(runs):
    differences, worths = paired(runs, "top1", "scratch"), worth(runs, "top1", "scratch")
    words = in_words(runs, "top1", differences, worths, "10")
    return study_text("top1", differences, worths, LABELS, words, "scratch")


def test_a_cell_is_mean_difference_and_what_holds():
    table = table_of(paired(study(), "top1", "scratch"), TRAINED, LABELS, "scratch")
    assert table["labels a class"].tolist() == ["1", "10 (9.6)", "all (100)"]
    assert table["scratch"].tolist() == ["30.0", "60.5", "80.0"]
    assert table["rotation"].tolist() == [
        "35.0 (+5.0 ± 0.3)*", "65.5 (+5.0 ± 0.3)*", "85.0 (+5.0 ± 0.3)*",
    ]  # fmt: skip
    assert table["byol"].iloc[0] == "20.0 (-10.0 ± 0.4)*, n = 3"
    heads = table_of(paired(study(), "top1", "scratch"), "k-NN", LABELS, "scratch")
    assert list(heads.columns) == ["labels a class", "untrained encoder", "rotation"]
    assert heads["rotation"].iloc[0] == "30.0 (+0.0 ± 0.0)", "no star"


def test_labels_saved_are_told_with_their_interval():
    table = saved_labels(worth(study(), "top1", "scratch"), LABELS)
    assert table["rotation"].tolist()[1:] == [
        "~18 (16 to 20)", "more than 100 (all of it more than 100)",
    ]  # fmt: skip
    assert table["byol"].iloc[0] == "fewer than 1 (all of it fewer than 1)"


def test_the_report_has_all_parts_in_order_and_no_raw_rows():
    told = text(study())
    parts = [
        "# Test top1 by labels a class",
        "means over n = 4 seeds",
        "adjusted by Holm for all methods fine-tuned at that budget, or all heads at it; neither "
        "budgets are adjusted for one another nor any interval for the others.",
        "![curves](curves.png)",
        "## fine-tuning\n",
        "## k-NN on frozen features\n",
        "## Labels a class that do as much from scratch",
        "Nothing was measured between 1 and 9.6 or between 9.6 and 100.",
        "## In words",
        "- With rotation, 9.6 labels a class do what",
        "Adjusted by Holm for 2 comparisons",
        "## The files",
    ]
    places = [told.index(part) for part in parts]
    assert places == sorted(places)
    assert len([line for line in told.splitlines() if line.startswith("|")]) == 3 * (2 + 3)


def test_every_column_of_the_files_is_explained():
    runs = study()
    said = text(runs).split("## The files")[1]
    for table in (paired(runs, "top1", "scratch"), worth(runs, "top1", "scratch")):
        names = set(table.columns) - {"method", "way", "budget", "n_difference_to_all"}
        names -= {"difference_to_all_ci95"}  # what follows
        for name in names:
            assert f"`{name}`" in said


def test_of_a_study_that_has_only_begun():
    begun = single_runs(LABELS, rotation={"k-NN": BASE[:1]})
    told = text(begun)
    assert "means over one seed" in told
    assert "## In words" not in told and "do as much" not in told
    assert "| 1 | 30.0 |" in told
