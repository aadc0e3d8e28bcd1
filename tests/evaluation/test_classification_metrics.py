import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    log_loss,
    top_k_accuracy_score,
)

from fewshot.errors import UserError
from fewshot.evaluation.classification_metrics import classify
from fewshot.evaluation.ranking import ranked, ranked_logits
from fewshot.evaluation.split_rows import all_rows, labelled_rows, rows_of_classes
from tests.evaluation.fakes import FakeDataset


def split(labels, class_names=None):
    return all_rows(FakeDataset(np.zeros((len(labels), 2)), labels, class_names))


def random_case(seed, outputs="abcdefgh", truth="abcdefgh", n=200):
    generator = np.random.default_rng(seed)
    labels = generator.choice(list(truth), n).tolist()
    scores = torch.from_numpy(generator.normal(size=(n, len(outputs))))
    return scores, split(labels), labels


def test_equals_scikit_learn():
    scores, rows, labels = random_case(0)
    names = np.array(list("abcdefgh"))
    found = classify(ranked_logits(scores, names.tolist(), rows.names), names.tolist(), rows, {})
    metrics = found.metrics()
    guessed = names[scores.argmax(1)]
    assert metrics["n"] == 200
    assert metrics["ceiling"] == 1.0
    assert metrics["top1"] == pytest.approx(accuracy_score(labels, guessed))
    assert metrics["top5"] == pytest.approx(
        top_k_accuracy_score(labels, scores.numpy(), k=5, labels=names)
    )
    assert metrics["mean_class_top1"] == pytest.approx(balanced_accuracy_score(labels, guessed))
    assert metrics["loss"] == pytest.approx(
        log_loss(labels, scores.softmax(1).numpy(), labels=names), rel=1e-5
    )
    assert metrics["seen"] == {k: metrics[k] for k in ("n", "top1", "top5", "mean_class_top1")}
    np.testing.assert_array_equal(
        found.confusions().among(np.arange(8)), confusion_matrix(labels, guessed, labels=names)
    )


@settings(max_examples=25)
@given(
    st.integers(0, 1000),
    st.sets(st.sampled_from("abcdefghij"), min_size=1),
    st.sets(st.sampled_from("abcdefghij"), min_size=1),
)
def test_equals_a_plain_loop_with_classes_never_trained(seed, outputs, truth):
    outputs, truth = sorted(outputs), sorted(truth)
    scores, rows, labels = random_case(seed, outputs, truth, 30)
    found = classify(ranked(scores), outputs, rows, dict.fromkeys(outputs, 3))
    hits1, hits5 = [], []
    for row, label in zip(scores.tolist(), labels, strict=True):
        ranking = sorted(outputs, key=lambda name: -row[outputs.index(name)])
        hits1.append(label == ranking[0])
        hits5.append(label in ranking[:5])
    seen = [label in outputs for label in labels]
    by_class = [
        np.mean([hit for hit, own in zip(hits1, labels, strict=True) if own == name])
        for name in sorted(set(labels))
    ]
    metrics = found.metrics()
    assert metrics["top1"] == pytest.approx(np.mean(hits1))
    assert found.tells_top5 == (len(outputs) > 5)
    assert metrics.get("top5") == (pytest.approx(np.mean(hits5)) if len(outputs) > 5 else None)
    assert metrics["mean_class_top1"] == pytest.approx(np.mean(by_class))
    assert metrics["ceiling"] == pytest.approx(np.mean(seen))
    assert metrics["top1"] <= metrics["ceiling"]
    assert metrics["seen"]["n"] == sum(seen)
    if any(seen):
        assert metrics["seen"]["top1"] == pytest.approx(sum(hits1) / sum(seen))
    assert found.confusions().counts.sum() == 30
    assert list(found.classes) == sorted({*outputs, *labels})


def test_per_class_table_and_predictions():
    scores = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    found = classify(ranked(scores), ["coat", "shirt"], split(["coat", "coat", "bag"]), {"coat": 5})
    table = found.per_class()
    assert list(table.columns) == ["class", "n", "n_train", "top1", "top5"]
    assert table["class"].tolist() == ["bag", "coat", "shirt"]
    assert table["n"].tolist() == [1, 2, 0]
    assert table["n_train"].tolist()[:2] == [0, 5]
    assert table["n_train"].tolist()[2] is pd.NA  # an output of a model trained elsewhere
    assert table["top1"].tolist()[:2] == [0.0, 0.5]
    assert table["top5"].isna().all()  # of two outputs one of the first five is always right
    assert math.isnan(table["top1"].tolist()[2])
    predictions = found.predictions()
    assert list(predictions.columns) == ["id", "label", "class_1", "score_1", "class_2", "score_2"]
    assert predictions["label"].tolist() == ["coat", "coat", "bag"]
    assert predictions["class_1"].tolist() == ["coat", "shirt", "shirt"]
    assert predictions["score_2"].tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_equal_scores_rank_in_the_order_of_the_outputs():
    found = classify(ranked(torch.zeros(2, 7)), list("abcdefg"), split(["a", "f"]), {})
    assert found.best.tolist() == [[0, 1, 2, 3, 4]] * 2


def test_no_row_of_a_trained_class():
    rows = split(["b", "c"])
    found = classify(ranked_logits(torch.zeros(2, 1), ["a"], rows.names), ["a"], rows, {"a": 1})
    assert found.metrics() == {
        "n": 2, "top1": 0.0, "mean_class_top1": 0.0, "ceiling": 0.0, "seen": {"n": 0},
    }  # fmt: skip


def test_rows_without_a_label_are_left_out():
    dataset = FakeDataset(np.zeros((3, 2)), ["b", None, "a"])
    assert all_rows(dataset).known.tolist() == [True, False, True]
    rows = labelled_rows(dataset, "test")
    assert rows.rows.tolist() == [0, 2]
    assert rows.ids.tolist() == ["0", "2"]
    assert rows.names.tolist() == ["b", "a"]
    assert rows_of_classes(FakeDataset(np.zeros((3, 1)), ["b", None, "b"], "abc")) == {"b": 2}
    assert rows_of_classes(None) == {}


@pytest.mark.parametrize(("labels", "names"), [([None, None], ()), ([None], ("a",))])
def test_a_split_without_labels_is_refused(labels, names):
    with pytest.raises(UserError) as error:
        labelled_rows(FakeDataset(np.zeros((len(labels), 2)), labels, names), "test")
    assert str(error.value) == (
        "the test split has no labelled row, which its evaluation needs: bind "
        "FashionDataset.label_column, or remove this evaluator from main.evaluators."
    )


def test_unlabelled_rows_are_predicted_and_count_in_no_figure():
    generator = np.random.default_rng(5)
    labels = [None if i % 3 == 0 else "abcdefg"[i % 7] for i in range(60)]
    scores = torch.from_numpy(generator.normal(size=(60, 6)))
    rows = split(labels)
    known = np.flatnonzero(rows.known)
    outputs = list("abcdef")
    whole = classify(ranked_logits(scores, outputs, rows.names), outputs, rows, {})
    some = rows.only(known)
    part = classify(ranked_logits(scores[known], outputs, some.names), outputs, some, {})
    metrics = whole.metrics()
    assert metrics.pop("n_unlabelled") == 20
    assert metrics == part.metrics()
    pd.testing.assert_frame_equal(whole.per_class(), part.per_class())
    np.testing.assert_array_equal(whole.confusions().counts, part.confusions().counts)
    predictions = whole.predictions()
    assert len(predictions) == 60
    assert predictions["label"].isna().sum() == 20
    assert predictions.loc[0, "class_1"] == outputs[int(scores[0].argmax())]


def test_without_any_label_there_is_no_figure():
    found = classify(ranked(torch.eye(4)), list("abcd"), split([None] * 4, "abcd"), {"a": 2})
    assert found.metrics() == {"n_unlabelled": 4}
    assert found.predictions()["class_1"].tolist() == list("abcd")


def test_a_model_without_outputs_is_refused():
    with pytest.raises(UserError, match="there is no class to predict"):
        classify(ranked(torch.zeros(1, 0)), [], split(["a"]), {})


def test_classes_are_also_told_by_their_training_rows():
    rows = split(["a", "a", "b", "new"])
    scores = torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.5, 0.5]])
    found = classify(ranked(scores), ["a", "b"], rows, {"a": 101, "b": 19}).metrics()
    assert found["by_training_rows"] == {
        "many": {"classes": 1, "n": 2, "top1": 0.5, "mean_class_top1": 0.5},
        "few": {"classes": 1, "n": 1, "top1": 1.0, "mean_class_top1": 1.0},
    }
    alike = classify(ranked(scores), ["a", "b"], rows, {"a": 101, "b": 102}).metrics()
    assert "by_training_rows" not in alike
