import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.evaluation.rejection import Promise, risk_coverage, threshold_for

rows = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=40)


def arrays(pairs):
    confidence, right = zip(*pairs, strict=True)
    return np.array(confidence) / 10, np.array(right, dtype=bool)


@settings(max_examples=60)
@given(rows)
def test_risk_and_coverage_equal_a_loop_over_thresholds(pairs):
    confidence, right = arrays(pairs)
    found = risk_coverage(confidence, right)
    assert found.threshold.tolist() == sorted(set(confidence.tolist()), reverse=True)
    risks = []
    for i, threshold in enumerate(found.threshold):
        answered = confidence >= threshold
        assert found.coverage[i] == pytest.approx(answered.mean())
        assert found.risk[i] == pytest.approx((~right[answered]).mean())
    for value in confidence:
        risks.append((~right[confidence >= value]).mean())
    assert found.area == pytest.approx(np.mean(risks))


def kept(promise, threshold, confidence, right, unknown):
    answered = confidence >= threshold
    if promise.precision is not None:
        needed = 1 / (1 - promise.precision)
        if answered.sum() < needed - 1e-9 or right[answered].mean() < promise.precision - 1e-9:
            return False
    rate = promise.false_accepts
    return rate is None or not len(unknown) or (unknown >= threshold).mean() <= rate + 1e-9


@given(
    rows,
    st.lists(st.integers(0, 9), max_size=20),
    st.sampled_from([None, 0.5, 0.75, 0.9]),
    st.sampled_from([None, 0.1, 0.5]),
)
def test_the_threshold_is_the_lowest_that_keeps_the_promise(pairs, unknown, precision, rate):
    confidence, right = arrays(pairs)
    strangers = np.array(unknown) / 10
    promise = Promise(precision, rate)
    found = threshold_for(promise, confidence, right, strangers)
    every = sorted({*confidence.tolist(), *strangers.tolist()})
    keeping = [t for t in every if kept(promise, t, confidence, right, strangers)]
    if not keeping:
        assert found is None
        return
    lower = [t for t in every if t < keeping[0]]
    assert found == pytest.approx((keeping[0] + lower[-1]) / 2 if lower else 0.0)
    assert kept(promise, found, confidence, right, strangers)


def test_a_precision_is_not_believed_from_a_few_answers():
    confidence = np.array([0.9] * 9 + [0.1] * 20)
    right = np.array([True] * 9 + [False] * 20)
    nothing = np.zeros(0)
    assert threshold_for(Promise(0.9, None), confidence, right, nothing) is None
    confidence, right = np.append(confidence, 0.9), np.append(right, True)
    assert threshold_for(Promise(0.9, None), confidence, right, nothing) == pytest.approx(0.5)


def test_a_promise_in_words():
    assert str(Promise(0.9, None)) == "0.9 of what is answered is right"
    assert str(Promise(0.95, 0.1)) == (
        "0.95 of what is answered is right and at most 0.1 of the images of unknown classes are "
        "answered"
    )
    assert str(Promise(None, 0.1)) == ("at most 0.1 of the images of unknown classes are answered")
