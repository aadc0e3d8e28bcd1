import numpy as np
import pytest

from fewshot.evaluation.frequency_groups import frequency_groups


def test_classes_are_grouped_by_their_training_rows():
    classes = ["a", "b", "c", "d", "e", "never trained", "not tested"]
    n_train = {"a": 101, "b": 100, "c": 20, "d": 19, "e": 1, "not tested": 500}
    n = np.array([10, 4, 2, 5, 1, 7, 0])
    right = np.array([9.0, 1.0, 2.0, 1.0, 0.0, 0.0, 0.0])
    found = frequency_groups(classes, n, right, n_train)
    assert list(found) == ["many", "medium", "few"]
    assert found["many"] == {"classes": 1, "n": 10, "top1": 0.9, "mean_class_top1": 0.9}
    medium, few = found["medium"], found["few"]
    assert (medium["classes"], medium["n"], medium["top1"]) == (2, 6, 0.5)
    assert medium["mean_class_top1"] == pytest.approx((1 / 4 + 1) / 2)
    assert (few["n"], few["top1"], few["mean_class_top1"]) == (6, pytest.approx(1 / 6), 0.1)


def test_one_group_alone_tells_nothing():
    many = {"a": 200, "b": 300}
    assert frequency_groups(["a", "b"], np.array([1, 1]), np.array([1.0, 0.0]), many) == {}
    assert frequency_groups(["a", "b"], np.array([1, 1]), np.array([1.0, 0.0]), {}) == {}
