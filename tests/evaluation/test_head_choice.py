import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression as ReferenceRegression

from fewshot.errors import UserError
from fewshot.evaluation.gallery import Gallery
from fewshot.evaluation.gallery_classification import GalleryClassification
from fewshot.evaluation.head_choice import cross_validated
from fewshot.heads.knn import KNN
from fewshot.heads.logistic_regression import LogisticRegression, logistic_regression
from fewshot.heads.matching import MatchingAttention
from fewshot.heads.prototypes import NearestPrototype
from tests.evaluation.fakes import FakeDataset, PixelObjective

COUNTS = {"known a": 200, "known b": 200, "new a": 5, "new b": 5}


def rows(counts, seed, first_id=0):
    """Classes around centres that lie close beside each other."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(128, 9, (len(counts), 16))
    labels = np.repeat(np.arange(len(counts)), list(counts.values()))
    pixels = np.clip(centres[labels] + generator.normal(0, 12, (len(labels), 16)), 0, 255)
    return FakeDataset(pixels, [list(counts)[i] for i in labels], first_id=first_id)


class Scaled(PixelObjective):
    def embed(self, images):
        return super().embed(images) / 40


def of_new(evaluator, seed=1):
    """Mean accuracy on the two new classes, and the report."""
    data = {"train": rows(COUNTS, 0), "test": rows(dict.fromkeys(COUNTS, 50), seed, 5000)}
    report = evaluator(Scaled(), data)
    table = next(b.frame for s in report.sections for b in s.blocks if "per_class" in b.name)
    return table.set_index("class")["top1"][["new a", "new b"]].mean(), report


def test_five_pictures_beside_hundreds_are_recognised():
    unbalanced, _ = of_new(GalleryClassification(LogisticRegression))
    assert unbalanced < 0.35
    heads = [lambda: LogisticRegression(class_balanced=True), NearestPrototype]
    chosen, report = of_new(GalleryClassification(heads))
    assert chosen > unbalanced + 0.25
    section = report.sections[0]
    assert section.heading == "Choice of the head"
    assert section.blocks[0].frame["head"].tolist() == [
        "LogisticRegression(class_balanced=True)",
        "NearestPrototype",
    ]


def test_what_is_chosen_is_kept_for_the_model():
    class Blind(NearestPrototype):
        def __call__(self, support, labels, query, n_classes):
            return torch.zeros(len(query), n_classes)

    evaluator = GalleryClassification([Blind, NearestPrototype])
    of_new(evaluator)
    assert evaluator.head == NearestPrototype()
    assert type(evaluator.head) is NearestPrototype


def test_cross_validation_equals_a_loop():
    data = rows({"a": 30, "b": 9, "c": 1}, 3)
    features = PixelObjective().embed(data.images(np.arange(40)))
    gallery = Gallery(features, torch.from_numpy(data.labels), data.class_names)
    asked = []

    class Recording(NearestPrototype):
        def __call__(self, support, labels, query, n_classes):
            scores = super().__call__(support, labels, query, n_classes)
            for row, guess in zip(query, scores.argmax(1), strict=True):
                place = int((features == row).all(1).nonzero()[0])
                assert not (support == row).all(1).any()
                asked.append((place, int(guess)))
            return scores

    found = cross_validated({"it": Recording()}, gallery)
    assert sorted(place for place, _ in asked) == [i for i in range(40) if data.labels[i] != 2]
    right = {place: guess == data.labels[place] for place, guess in asked}
    by_class = [np.mean([ok for i, ok in right.items() if data.labels[i] == c]) for c in (0, 1)]
    assert found["mean_class_top1"][0] == pytest.approx(np.mean(by_class))
    assert found["top1"][0] == pytest.approx(np.mean(list(right.values())))


def test_a_lopsided_gallery_is_warned_about(caplog):
    data = {"train": rows(COUNTS, 0), "test": rows(COUNTS, 1, 5000)}
    GalleryClassification([LogisticRegression, NearestPrototype]).check(PixelObjective(), data)
    assert caplog.messages == [
        "the gallery is lopsided, 'known a' has 200 rows and 'new a' has 5; LogisticRegression "
        "will favour the large ones: bind class_balanced = True there, or another head such as "
        "@NearestPrototype."
    ]
    caplog.clear()
    GalleryClassification(lambda: KNN(class_balanced=True)).check(PixelObjective(), data)
    assert caplog.messages[0].endswith(
        "judge the small classes by mean_class_top1 and the table of classes."
    )
    caplog.clear()
    GalleryClassification(MatchingAttention).check(PixelObjective(), data)
    assert "MatchingAttention will favour" in caplog.text
    caplog.clear()
    even = {"train": rows(dict.fromkeys(COUNTS, 5), 0), "test": data["test"]}
    GalleryClassification(LogisticRegression).check(PixelObjective(), even)
    assert not caplog.messages


def test_a_head_is_named_once():
    with pytest.raises(UserError, match=r"GalleryClassification\.head has a head twice"):
        GalleryClassification([KNN, KNN])


def test_balanced_regression_is_scikit_learns():
    data = rows({"a": 60, "b": 20, "c": 4}, 3)
    features = PixelObjective().embed(data.images(np.arange(84))).double() / 20
    labels = torch.from_numpy(data.labels)
    reference = ReferenceRegression(C=0.7, class_weight="balanced", tol=1e-10, max_iter=10_000)
    expected = reference.fit(features.numpy(), data.labels).predict_log_proba(features.numpy())
    found = logistic_regression(
        features, labels, features, 3, c=0.7, tolerance=1e-9, class_balanced=True
    )
    torch.testing.assert_close(
        found.log_softmax(1), torch.from_numpy(expected), rtol=1e-4, atol=1e-4
    )
    together = logistic_regression(
        torch.stack([features, features]), torch.stack([labels, labels]), features[None], 3, c=0.7,
        tolerance=1e-9, class_balanced=True,
    )  # fmt: skip
    alone = logistic_regression(features, labels, features, 3, 0.7, 1e-9, class_balanced=True)
    torch.testing.assert_close(together[1], alone)
