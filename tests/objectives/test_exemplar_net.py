import gin
import numpy as np
import pytest
import torch

from fewshot.augmentation.transforms import HorizontalFlip, OneOf, RandomCrop
from fewshot.batch import Batch
from fewshot.data.samplers.unstructured import ShuffledBatches
from fewshot.errors import UserError
from fewshot.objectives.exemplar_net import ExemplarNet
from fewshot.objectives.inputs import Inputs
from fewshot.training.feed import Feed
from tests.evaluation.fakes import FakeDataset
from tests.objectives.toy import ToyEncoder, batch, spec


def distorting(given):
    return Inputs(given, [lambda: RandomCrop(padding=3), HorizontalFlip])


@pytest.fixture(autouse=True)
def clear_gin():
    yield
    gin.clear_config()


def test_each_view_of_an_image_is_drawn_on_its_own_and_has_the_image_as_its_class():
    objective = ExemplarNet(spec(), ToyEncoder, distorting, views=4)
    shown = batch(5)
    shown = Batch(shown.images, None, torch.tensor([7, 3, 29, 0, 11]), shown.keys)
    views, surrogates = objective.surrogate_batch(shown)
    assert surrogates.tolist() == [7, 3, 29, 0, 11] * 4
    for view in range(4):
        for image in range(5):
            keys = torch.cat([shown.keys[image], torch.tensor([view])])[None]
            alone = objective.augment(shown.images[image : image + 1], keys)
            place = view * 5 + image
            torch.testing.assert_close(views[place], objective.inputs.normalise(alone)[0])
    first = views[::5]
    assert len({tuple(view.flatten().tolist()) for view in first}) > 1, "all views are alike"


def test_loss_is_the_cross_entropy_of_the_source_image_over_views():
    objective = ExemplarNet(spec(), ToyEncoder, distorting, views=2).eval()
    shown = batch(5)
    loss, logs = objective(shown)
    views, _ = objective.surrogate_batch(shown)
    scores = objective.classifier(objective.encoder(views))
    assert scores.shape == (10, spec().rows)
    wanted = -sum(scores[i].log_softmax(0)[shown.rows[i % 5]] for i in range(10)) / 10
    torch.testing.assert_close(loss, wanted)
    right = [float(scores[i].argmax() == shown.rows[i % 5]) for i in range(10)]
    assert logs["surrogate_top1"].item() == pytest.approx(np.mean(right))


def test_surrogate_classes_number_the_training_view_from_0():
    """Whatever part of the CSV trains, its rows are numbered within the part."""
    dataset = FakeDataset([[i, i, i] for i in range(12)], ["Bags"] * 12)
    sampler = ShuffledBatches(dataset.labels, dataset.class_names, seed=0, batch_size=4)
    seen = {}
    for shown in Feed(dataset, sampler, seed=0, device=torch.device("cpu")).batches(0):
        for row, image in zip(shown.rows.tolist(), shown.images, strict=True):
            seen[row] = int(image[0, 0, 0])
    assert seen == {i: i for i in range(12)}


def test_with_one_of_a_view_shows_one_kind_of_change():
    def inputs(given):
        kinds = [lambda: HorizontalFlip(1.0), lambda: HorizontalFlip(0.0)]
        return Inputs(given, lambda: OneOf(kinds))

    objective = ExemplarNet(spec(), ToyEncoder, inputs, views=8)
    shown = batch(2)
    views, _ = objective.surrogate_batch(shown)
    plain = objective.inputs.normalise(shown.images)
    kinds = {
        (torch.equal(view, plain[i % 2]), torch.equal(view, plain[i % 2].flip(-1)))
        for i, view in enumerate(views)
    }
    assert kinds == {(True, False), (False, True)}


def test_what_cannot_work_is_refused():
    with pytest.raises(UserError, match=r"ExemplarNet\.views is 0: bind 1 or more"):
        ExemplarNet(spec(), ToyEncoder, distorting, views=0)
    with pytest.raises(UserError, match=r"Inputs\.augment is not bound: bind transforms"):
        ExemplarNet(spec(), ToyEncoder)
