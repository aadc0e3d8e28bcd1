import numpy as np
import pytest

from fewshot.studies.budget_words import in_words, points, ranking
from fewshot.studies.labels_worth import worth
from fewshot.studies.paired_differences import TRAINED, paired
from tests.studies.budget_runs import single_runs

BASE = np.array([[0.30, 0.60, 0.80], [0.31, 0.62, 0.80], [0.29, 0.59, 0.81], [0.30, 0.61, 0.79]])
SEEDS = np.array([[0.001], [-0.002], [0.0], [0.002]])


def told(runs, budget="10"):
    differences, worths = paired(runs, "top1", "scratch"), worth(runs, "top1", "scratch")
    return in_words(runs, "top1", differences, worths, budget)


def test_a_sentence_a_method_fine_tuned_and_what_holds_of_all_of_them():
    runs = single_runs(
        scratch={TRAINED: BASE, "k-NN": BASE + 0.2},
        simclr={TRAINED: BASE + 10 * SEEDS, "k-NN": BASE + 0.3},
        rotation={TRAINED: BASE + 0.05 + SEEDS},
        byol={TRAINED: BASE - 0.02 + SEEDS},
    )
    words = told(runs)
    assert words.head == (
        "Fine-tuned with 10 labels a class, in the order of mean test top1 over the 4 seeds that "
        "all have:"
    )
    assert words.methods[0] == (
        "With rotation, 10 labels a class do what about 18 (interpolated between 10 and 100) do "
        "from scratch (95 % interval 17 to 20); the difference to scratch is +5.0 ± 0.3 points (p "
        "< 0.0001, adjusted < 0.0001, n = 4)."
    )
    assert [line.split(",")[0] for line in words.methods] == [
        "With rotation", "With simclr", "With byol",
    ]  # fmt: skip
    assert words.verdict == (
        "Adjusted by Holm for 3 comparisons, at the level of 5 %, the differences of rotation and "
        "byol to scratch hold; none was shown for simclr."
    )
    assert words.text.splitlines() == [words.head, *words.methods, words.verdict]
    assert "k-NN" not in words.text


def test_what_holds_alone_need_not_hold_among_many():
    weak = BASE + np.array([[0.004], [0.008], [0.012], [0.016]])
    p = paired(single_runs(scratch={TRAINED: BASE}, a={TRAINED: weak}), "top1", "scratch")["p"]
    assert 0.02 < p.max() < 0.05
    alone = told(single_runs(scratch={TRAINED: BASE}, a={TRAINED: weak}))
    assert alone.verdict == "At the level of 5 %, the difference of a to scratch holds."
    assert "adjusted" not in alone.text
    idle = {name: {TRAINED: BASE + (place - 4) * SEEDS} for place, name in enumerate("bcd")}
    among = told(single_runs(scratch={TRAINED: BASE}, a={TRAINED: weak}, **idle))
    assert among.verdict == (
        "Adjusted by Holm for 4 comparisons, at the level of 5 %, no difference to scratch holds."
    )


def test_methods_are_ranked_by_the_seeds_that_all_have():
    lacks_the_worst = BASE + 0.001 * np.arange(4)[:, None]
    lacks_the_worst[2] = np.nan  # the seed with the lowest score of all
    runs = single_runs(
        scratch={TRAINED: BASE}, few={TRAINED: lacks_the_worst}, whole={TRAINED: BASE + 0.003}
    )
    own = runs[(runs["budget"] == "10")].groupby("method")["top1"].mean()
    assert own["few"] > own["whole"]
    assert ranking(runs, "top1", "10") == (["whole", "few", "scratch"], 3)
    words = told(runs)
    assert "over the 3 seeds that all have:" in words.head
    assert [line.split(",")[0] for line in words.methods] == ["With whole", "With few"]
    assert words.methods[1].endswith("n = 3).")


def test_seeds_that_no_two_share_and_single_ones():
    first, second = BASE.copy(), BASE + 0.01
    first[2:], second[:2] = np.nan, np.nan
    runs = single_runs(scratch={TRAINED: BASE}, a={TRAINED: first}, b={TRAINED: second})
    assert ranking(runs, "top1", "10")[1] == 0
    assert "over the seeds of each, as all share none:" in told(runs).head
    single = told(single_runs(scratch={TRAINED: BASE[:1]}, a={TRAINED: BASE[:1] + 0.05}))
    assert "over the one seed that all have:" in single.head
    assert single.methods == [
        "With a, 10 labels a class do what about 18 (interpolated between 10 and 100) do from "
        "scratch; the difference to scratch is +5.0 points (n = 1)."
    ]
    assert single.verdict == ""


def test_of_an_interrupted_study():
    """Scratch without all its budgets gives no curve, but a difference; without it, nothing."""
    part = BASE.copy()
    part[1:, 2], part[0, 0] = np.nan, np.nan
    words = told(single_runs(scratch={TRAINED: part}, a={TRAINED: BASE + 0.05}))
    assert words.methods[0].startswith("With a, the difference to scratch is +5.0")
    for runs in (
        single_runs(a={TRAINED: BASE}),
        single_runs(scratch={TRAINED: BASE}),
        single_runs(scratch={TRAINED: BASE}, a={"k-NN": BASE}),
    ):
        assert told(runs).text == ""
    assert told(single_runs(scratch={TRAINED: BASE}, a={TRAINED: BASE}), "50").text == ""


@pytest.mark.parametrize(
    ("difference", "half", "text"), [(0.061, 0.0081, "+6.1 ± 0.8"), (-0.1, np.nan, "-10.0")]
)
def test_points(difference, half, text):
    assert points({"difference": difference, "difference_ci95": half}) == text
