from functools import partial

import gin
import numpy as np
import pytest
import torch
from pytorch_metric_learning import losses, miners
from pytorch_metric_learning.reducers import MeanReducer
from torch import nn

from fewshot.batch import Batch, DataSpec
from fewshot.binding.third_party import FAMILIES
from fewshot.data.samplers.structured import BalancedBatches
from fewshot.data.samplers.unstructured import TripletBatches
from fewshot.encoders.encoder import Encoder
from fewshot.encoders.small_resnet import SmallResNet
from fewshot.errors import UserError
from fewshot.models.model_file import save_model
from fewshot.models.parts import Projection
from fewshot.objectives.inputs import Inputs
from fewshot.objectives.proxies import Proxies
from fewshot.objectives.transfer_net import TransferNet
from fewshot.objectives.triplet_loss import TripletLoss
from fewshot.objectives.triplet_net import TripletNet
from fewshot.training.checkpoint import load_checkpoint, save_checkpoint

NAMES = ("bag", "hat", "shoe", "sock")
SPEC = DataSpec(NAMES, 1, (6, 6), (0.5,), (0.25,), rows=48)


@gin.register(module="test_triplet_net")
class Flat(Encoder):
    """Pixels through one hidden layer."""

    def __init__(self, *, in_channels, image_size):
        super().__init__()
        self.num_features = 16
        pixels = in_channels * image_size[0] * image_size[1]
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(pixels, 16), nn.ReLU())

    def forward(self, images):
        return self.layers(images)


def data():
    """Four classes of noisy quadrants: bright where the class says."""
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 4
    images = rng.integers(0, 120, (48, 1, 6, 6))
    for image, label in zip(images, labels, strict=True):
        top, left = 3 * (label // 2), 3 * (label % 2)
        image[0, top : top + 3, left : left + 3] += 100
    return torch.from_numpy(images.astype(np.uint8)), labels


def batch_of(rows, images, labels, epoch=0):
    index = torch.from_numpy(rows)
    keys = torch.stack([index * 0, index * 0 + epoch, torch.arange(len(rows))], dim=1)
    return Batch(images[index], torch.from_numpy(labels)[index], index, keys)


def project(size, normalize=True):
    return lambda num_features: Projection(num_features, size, normalize)


@pytest.fixture
def fast_proxies():
    gin.bind_parameter("Proxies.lr_factor", 100.0)
    yield
    gin.clear_config()


def build(**bindings):
    torch.manual_seed(0)
    return TripletNet(SPEC, encoder=Flat, inputs=Inputs, **bindings)


def train(net, sampler, steps=30):
    images, labels = data()
    optimizer = torch.optim.Adam(net.parameter_groups(), lr=3e-3)
    found = []
    for step in range(steps):
        batch = batch_of(sampler.batches(step)[0], images, labels, step)
        loss, logs = net(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        net.after_step()
        found.append((loss.item(), {name: float(value) for name, value in logs.items()}))
    return found


def triplets():
    return TripletBatches(labels=data()[1], class_names=NAMES, seed=0, batch_size=24)


def balanced():
    return BalancedBatches(
        labels=data()[1], class_names=NAMES, seed=0, classes_per_batch=4, images_per_class=6
    )


def nearest_neighbour_accuracy(net):
    images, labels = data()
    net.eval()
    with torch.inference_mode():
        embedded = net.embed(images)
    distance = torch.cdist(embedded, embedded).fill_diagonal_(torch.inf)
    return float((labels[distance.argmin(1).numpy()] == labels).mean())


def test_drawn_triplets_are_learned():
    net = build(projection=project(8))
    assert net.layout == TripletBatches.layout
    found = train(net, triplets())
    assert np.mean([loss for loss, _ in found[-5:]]) < 0.3 * found[0][0]
    assert found[-1][1]["active"] < found[0][1]["active"]
    assert set(found[0][1]) == {"active", "spread", "effective_rank"}
    assert nearest_neighbour_accuracy(net) > 0.95


LOSSES = [name for name in FAMILIES["pml"].names if name.endswith("Loss")]


@pytest.mark.filterwarnings("ignore")  # the library has its own
@pytest.mark.parametrize("miner", [None, miners.TripletMarginMiner, miners.PairMarginMiner])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_stepped_or_refused_in_words(name, miner):
    try:
        net = build(projection=project(8), loss=getattr(losses, name), miner=miner)
        value, _ = net(batch_of(balanced().batches(0)[0], *data()))
    except UserError as error:
        assert "TripletNet." in str(error)
    else:
        assert torch.isfinite(value)
        value.backward()


def test_lengths_that_are_not_trained_are_said(caplog):
    build(projection=project(8, False), loss=losses.MultiSimilarityLoss)
    assert "their lengths, which nearest neighbours go by, are not trained" in caplog.text


@pytest.mark.parametrize(
    ("loss", "miner"),
    [
        (losses.TripletMarginLoss, miners.BatchHardMiner),
        (losses.TripletMarginLoss, lambda: miners.TripletMarginMiner(type_of_triplets="semihard")),
        (losses.MultiSimilarityLoss, miners.MultiSimilarityMiner),
        (losses.SupConLoss, None),
        (losses.ProxyAnchorLoss, None),
        (losses.ArcFaceLoss, None),
    ],
)
def test_losses_on_labelled_batches_are_learned(loss, miner):
    net = build(projection=project(8), loss=loss, miner=miner)
    assert net.layout == "image"
    found = train(net, balanced())
    assert nearest_neighbour_accuracy(net) > 0.9
    assert found[-1][1]["hard_anchors"] < found[0][1]["hard_anchors"]
    assert ("mined" in found[0][1]) == (miner is not None)


def test_the_loss_is_that_of_the_embeddings_in_the_samplers_order():
    net = build(projection=project(None), loss=lambda: TripletLoss(0.7)).eval()
    images, labels = data()
    rows = triplets().batches(0)[0]
    loss, logs = net(batch_of(rows, images, labels))
    anchors, positives, negatives = net.embed(images[rows]).detach().view(3, 24, 16)
    expected = [
        max(float((a - p).norm() - (a - n).norm()) + 0.7, 0)
        for a, p, n in zip(anchors, positives, negatives, strict=True)
    ]
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-4)
    assert float(logs["active"]) == pytest.approx(np.mean(np.array(expected) > 0))
    assert "spread" not in logs  # the guard watches training only


def test_embeddings_have_the_bound_width_and_length():
    images, _ = data()
    assert torch.allclose(build(projection=project(5)).embed(images).norm(dim=1), torch.ones(48))
    assert build(projection=project(5)).embed(images).shape == (48, 5)
    free = build(projection=project(None, False))
    assert torch.equal(free.embed(images), free.encoder(free.inputs.normalise(images)))


def test_proxies_get_a_learning_rate_of_their_own(fast_proxies):
    net = build(loss=losses.ProxyAnchorLoss, projection=project(8))
    network, proxies = net.parameter_groups()
    assert [tuple(p.shape) for p in proxies["params"]] == [(4, 8)]
    assert proxies["lr_factor"] == 100.0
    assert len(network["params"]) == 4
    assert len(build().parameter_groups()) == 1  # without proxies
    gin.bind_parameter("Proxies.lr_factor", 1.0)
    assert len(build(loss=losses.ProxyAnchorLoss).parameter_groups()) == 1


@pytest.mark.parametrize("factor", [0, -1, float("nan")])
def test_a_learning_rate_that_is_none_is_refused(factor):
    with pytest.raises(UserError, match=r"Proxies\.lr_factor is .*: bind a number above 0"):
        Proxies(factor)


def test_the_model_keeps_the_projection_and_not_what_the_loss_remembers():
    net = build(loss=losses.ProxyAnchorLoss, projection=project(8))
    assert set(net.rest_state()) == {"projection.linear.weight", "projection.linear.bias"}
    other = build(projection=project(8))
    nn.init.zeros_(other.projection.linear.weight)
    other.load_rest_state(net.rest_state())
    assert torch.equal(other.projection.linear.weight, net.projection.linear.weight)


def saved(net, tmp_path):
    save_model(net, tmp_path / "model.mdl")
    return str(tmp_path / "model.mdl")


def test_a_saved_embedding_is_taken_up_whole(tmp_path):
    net, (images, _) = build(projection=project(5)), data()
    net.eval()
    path = saved(net, tmp_path)
    again = TripletNet(SPEC, projection=project(5), saved_model_path=path).eval()
    assert torch.equal(again.embed(images), net.embed(images))
    # evaluated on other classes, it still knows those it learned from
    fresh = DataSpec(("cap", "tie"), 1, (6, 6), (0.5,), (0.25,), rows=48)
    other = TripletNet(fresh, projection=project(5), saved_model_path=path)
    assert set(other.trained_classes) == {*NAMES, "cap", "tie"}


def test_of_another_method_the_encoder_alone_is_taken(tmp_path, caplog):
    caplog.set_level("INFO", logger="fewshot")
    classifier = TransferNet(SPEC, encoder=Flat)
    net = TripletNet(SPEC, projection=project(5), saved_model_path=saved(classifier, tmp_path))
    assert torch.equal(net.encoder.layers[1].weight, classifier.encoder.layers[1].weight)
    assert f"new projection behind the encoder of '{tmp_path}" in caplog.text
    with pytest.raises(UserError, match="is a model of TransferNet and has no projection"):
        TripletNet(SPEC, saved_model_path=str(tmp_path / "model.mdl"), new_projection=False)


def test_nothing_to_evaluate_is_refused():
    for arguments in ({}, {"new_projection": False, "encoder": Flat}):
        with pytest.raises(UserError, match=r"bind TripletNet\.saved_model_path = 'path"):
            TripletNet(SPEC, **arguments)


def test_a_new_projection_is_made_on_request(tmp_path):
    path = saved(build(projection=project(5)), tmp_path)
    assert TripletNet(SPEC, projection=project(8), saved_model_path=path, new_projection=True)


def test_a_projection_of_other_features_is_refused(tmp_path):
    # as many features as before
    there = {"encoder": partial(SmallResNet, grid=(2, 1)), "projection": project(5)}
    bound = {"encoder": partial(SmallResNet, grid=(1, 2)), "projection": project(5)}
    path = saved(TripletNet(SPEC, **there), tmp_path)
    message = r"for other features \(SmallResNet.grid is \(1, 2\) now\): .*new_projection = True"
    with pytest.raises(UserError, match=message):
        TripletNet(SPEC, **bound, saved_model_path=path)
    assert TripletNet(SPEC, **bound, saved_model_path=path, new_projection=True)


def test_embeddings_of_free_length_are_taken_up_as_such(tmp_path):
    net, (images, _) = build(projection=project(5, False)).eval(), data()
    path = saved(net, tmp_path)
    again = TripletNet(SPEC, projection=project(5, False), saved_model_path=path).eval()
    assert torch.equal(again.embed(images), net.embed(images))
    with pytest.raises(
        UserError, match=r"trained with False: bind Projection\.normalize = False\."
    ):
        TripletNet(SPEC, projection=project(5), saved_model_path=path)


@pytest.mark.parametrize("size", [0, -3])
def test_an_impossible_embedding_size_is_refused(size):
    with pytest.raises(UserError, match=rf"Projection\.size is {size}: bind 1 or more"):
        build(projection=project(size))


def test_a_miner_beside_a_memory_is_refused():
    with pytest.raises(UserError, match=r"and the miner to pml\.CrossBatchMemory\.miner\."):
        build(loss=memory, miner=miners.MultiSimilarityMiner)


@pytest.mark.parametrize(("stored", "asked"), [(5, 8), (5, None), (None, 8)])
def test_a_saved_embedding_of_another_size_is_refused(tmp_path, stored, asked):
    path = saved(build(projection=project(stored)), tmp_path)
    with pytest.raises(UserError, match=rf"bind Projection\.size = {stored},"):
        TripletNet(SPEC, projection=project(asked), saved_model_path=path)


def test_another_encoder_than_the_saved_one_is_refused_by_the_name_it_is_bound_to(tmp_path):
    path = saved(build(), tmp_path)
    with pytest.raises(UserError, match=r"TripletNet\.encoder = None to rebuild the stored one"):
        TripletNet(SPEC, encoder=SmallResNet, saved_model_path=path)


def memory(embedding_size):
    return losses.CrossBatchMemory(
        losses.ContrastiveLoss(), embedding_size=embedding_size, memory_size=100
    )


REMEMBERING = [
    memory,
    *(losses.DynamicSoftMarginLoss, losses.ArcFaceLoss, losses.SubCenterArcFaceLoss),
    *(losses.TupletMarginLoss, losses.TripletMarginLoss, losses.SoftTripleLoss),
]


@pytest.mark.parametrize("loss", REMEMBERING)
def test_what_a_loss_remembers_survives_a_resume(loss, tmp_path):
    whole, first, second = (build(loss=loss) for _ in range(3))
    went_on = train(whole, balanced(), steps=6)
    train(first, balanced(), steps=3)
    save_checkpoint(tmp_path / "last.ckpt", {"objective": first.state_dict()}, {})
    second.load_state_dict(load_checkpoint(tmp_path / "last.ckpt", {})["objective"])
    images, labels = data()
    batch = batch_of(balanced().batches(3)[0], images, labels, 3)
    assert second(batch)[0].item() == went_on[3][0]


def test_a_batch_without_a_pair_goes_into_the_memory_all_the_same():
    net, (images, labels) = build(loss=memory), data()
    net(batch_of(np.array([0, 1, 2]), images, labels))  # three classes, one image each
    assert net.loss.queue_idx == 3


@pytest.mark.parametrize(
    ("loss", "margin"),
    [
        (TripletLoss, 0.2),
        (lambda: losses.TripletMarginLoss(reducer=MeanReducer()), 0.05),
        (losses.TripletMarginLoss, None),  # its mean is over active triplets
        (lambda: losses.TripletMarginLoss(smooth_loss=True, reducer=MeanReducer()), None),
        (losses.ContrastiveLoss, None),
    ],
)
def test_the_guard_knows_the_margin_of_triplet_losses(loss, margin):
    assert build(loss=loss).guard.margin == margin


def test_a_resumed_net_goes_on_alike():
    whole, first, second = build(), build(), build()
    train(whole, triplets(), steps=3)
    train(first, triplets(), steps=3)
    second.load_state_dict(first.state_dict())
    images, labels = data()
    batch = batch_of(triplets().batches(3)[0], images, labels)
    for name, value in whole(batch)[1].items():
        assert torch.equal(value, second(batch)[1][name]), name
    whole.after_step()
    assert torch.equal(whole.guard.get_extra_state(), torch.tensor([4, 0]))


def test_mixed_precision_computes_the_loss_in_full():
    net = build(projection=project(8))
    images, labels = data()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = net(batch_of(triplets().batches(0)[0], images, labels))
        embedded = net.embed(images)
    assert loss.dtype == embedded.dtype == torch.float32


def test_mistakes_are_named():
    with pytest.raises(UserError, match=r"TripletNet\.miner is bound, but TripletLoss takes the "):
        build(miner=miners.BatchHardMiner)
    unlabelled = DataSpec((), 1, (6, 6), (0.5,), (0.25,), rows=48)
    with pytest.raises(UserError, match=r"the training rows have none: bind FashionDataset\.label"):
        TripletNet(unlabelled, encoder=Flat)
    with pytest.raises(UserError, match=r"TripletNet has neither an encoder"):
        TripletNet(SPEC)
