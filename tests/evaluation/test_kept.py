from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from torch.nn.functional import normalize

from fewshot.evaluation.feature_space import within_class_whitening
from fewshot.evaluation.gallery_classification import GalleryClassification, KNNClassification
from fewshot.evaluation.kept import kept
from fewshot.heads.prototypes import simple_shot
from fewshot.interfaces import Evaluation
from fewshot.models.extras import Extras, extras_of
from tests.evaluation.fakes import FakeDataset, PixelClassifier, PixelObjective, random_rows


def rows(n=60, d=8, seed=0):
    return FakeDataset(*random_rows(n, d, seed))


def read(found):
    return extras_of(SimpleNamespace(path="m.mdl", extras=found))


def test_a_model_that_only_embeds_keeps_all_that_its_head_compares_with():
    train = rows()
    found = read(kept(PixelObjective(), {"train": train}, [KNNClassification(3, "distance")], []))
    torch.testing.assert_close(found.gallery.features, train.images(np.arange(60))[:, 0, 0].float())
    assert found.gallery.labels.tolist() == train.labels.tolist()
    assert found.gallery.ids == tuple(train.ids)
    assert found.gallery.class_names == train.class_names
    options = {"k": 3, "weights": "distance", "metric": "euclidean", "class_balanced": False}
    options["exact_rows"] = 1_000_000
    assert found.gallery.head == {"name": "KNN", "arguments": options}


def test_the_head_has_the_references_that_it_had_in_the_run():
    evaluator = GalleryClassification(max_references=12)
    found = read(kept(PixelObjective(), {"train": rows()}, [evaluator], []))
    assert len(found.gallery.ids) == 12
    assert found.gallery.head == {"name": "NearestPrototype", "arguments": {}}


def test_a_classifier_keeps_a_gallery_to_look_at():
    train = rows()
    found = kept(PixelClassifier(train.class_names), {"train": train}, [KNNClassification()], [])
    assert found["gallery"]["features"].dtype == torch.float16
    assert read(found).gallery.head is None


def test_prototypes_are_mean_directions_whitened_within_the_classes():
    train = rows()
    found = read(kept(PixelObjective(), {"train": train}, [], [])).prototypes
    features = train.images(np.arange(60))[:, 0, 0].float()
    labels, names = torch.from_numpy(train.labels), train.class_names
    whitening = within_class_whitening(features, labels, 0.1)
    torch.testing.assert_close(found.whitening, whitening, atol=1e-3, rtol=1e-3)
    space = (features - features.mean(0)) @ found.whitening
    query = torch.rand(7, 8) * 255
    expected = simple_shot(space, labels, query, len(names))
    torch.testing.assert_close(normalize(query) @ found.features.T, expected)
    assert found.class_names == names

    cosines = simple_shot(space, labels, space, len(names)).double()

    def loss(logarithm):
        return -log_softmax(cosines / np.exp(logarithm), 1)[np.arange(60), train.labels].mean()

    best = minimize_scalar(loss, bounds=(-7, 2), method="bounded").x
    assert np.log(found.temperature) == pytest.approx(best, abs=0.1)


def test_where_no_two_images_share_a_class_nothing_is_whitened():
    train = FakeDataset(torch.rand(4, 8) * 255, ["a", "b", "c", "d"])
    assert read(kept(PixelObjective(), {"train": train}, [], [])).prototypes.whitening is None


def test_what_evaluators_bring_is_kept_the_first_of_a_name():
    brought = [Evaluation({}, kept={"temperature": 2.0}), Evaluation({}, kept={"temperature": 3.0})]
    unlabelled = FakeDataset(np.zeros((2, 4)), [None, None])
    found = kept(PixelObjective(), {"train": unlabelled}, [], brought)
    assert read(found) == Extras(temperature=2.0, items_on_black=False)


@pytest.mark.parametrize(
    ("ground", "colour", "answer"),
    [(0, (200, 200, 200), True), (255, (90, 90, 90), False), (0, (200, 90, 90), False)],
)
def test_whether_items_are_grey_on_black_is_kept(ground, colour, answer):
    images = np.full((20, 3, 12, 12), ground, np.uint8)
    images[:, :, 3:-3, 3:-3] = np.array(colour)[:, None, None]
    unlabelled = FakeDataset(images, [None] * 20)
    assert kept(PixelObjective(), {"train": unlabelled}, [], []) == {"items_on_black": answer}
