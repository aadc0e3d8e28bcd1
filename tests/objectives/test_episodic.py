import dataclasses

import pytest
import torch
from easyfsl.methods import PrototypicalNetworks
from torch.nn import functional as F

from fewshot.data.samplers.structured import Episodes
from fewshot.errors import UserError
from fewshot.heads.matching import matching_attention
from fewshot.heads.prototypes import nearest_prototype
from fewshot.objectives.matching_net import MatchingNet
from fewshot.objectives.prototypical_net import PrototypicalNet
from tests.objectives.test_triplet_net import NAMES, SPEC, Flat, batch_of, data

BOTH = pytest.mark.parametrize("method", [PrototypicalNet, MatchingNet])
SIZES = {"n_way": 3, "n_shot": 2, "n_query": 4}


def build(method, **sizes):
    torch.manual_seed(0)
    return method(SPEC, encoder=Flat, **{**SIZES, **sizes})


def sampler(**sizes):
    options = {**SIZES, "episodes_per_epoch": 4, **sizes}
    return Episodes(labels=data()[1], class_names=NAMES, seed=0, **options)


def episode(epoch=0, **sizes):
    images, labels = data()
    return batch_of(sampler(**sizes).batches(epoch)[0], images, labels, epoch)


def features(net, batch):
    embedded = net.embed(batch.images)
    support, query = embedded.split([6, 12])
    return support, torch.arange(3).repeat_interleave(2), query


@BOTH
def test_episodes_are_learned(method):
    net = build(method)
    assert net.layout == Episodes.layout
    optimizer = torch.optim.Adam(net.parameter_groups(), lr=3e-3)
    found = []
    for step in range(60):
        loss, logs = net(episode(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append((loss.item(), float(logs["top1"])))
    assert sum(loss for loss, _ in found[-5:]) < 0.5 * sum(loss for loss, _ in found[:5])
    assert sum(top1 for _, top1 in found[-5:]) / 5 > 0.9


def test_prototypical_loss_is_that_of_squared_distances_to_easyfsls_prototypes():
    net, batch = build(PrototypicalNet), episode()
    loss, logs = net(batch)
    support, labels, query = features(net, batch)
    reference = PrototypicalNetworks()
    reference.process_support_set(support, labels)
    scores = reference(query)
    truth = torch.arange(3).repeat_interleave(4)
    torch.testing.assert_close(loss, F.cross_entropy(-scores.square(), truth), rtol=1e-4, atol=1e-5)
    assert float(logs["top1"]) == pytest.approx((scores.argmax(1) == truth).double().mean())
    assert not logs["top1"].requires_grad


@pytest.mark.parametrize(
    ("method", "probabilities"),
    [
        (PrototypicalNet, lambda *parts: (-nearest_prototype(*parts).square()).softmax(1)),
        (MatchingNet, lambda *parts: matching_attention(*parts).exp() - 1e-6),
    ],
)
def test_an_objective_trains_what_its_head_evaluates(method, probabilities):
    torch.manual_seed(1)
    support, query = torch.randn(6, 5).double(), torch.randn(12, 5).double()
    labels = torch.arange(3).repeat_interleave(2)
    found = build(method).log_probabilities(support.view(3, 2, 5), query)
    torch.testing.assert_close(
        found.exp(), probabilities(support, labels, query, 3), rtol=0, atol=1e-9
    )


@BOTH
@pytest.mark.parametrize("sizes", [(2, 1, 1), (4, 5, 2), (3, 1, 8)])
def test_any_n_k_and_q_work(method, sizes):
    options = dict(zip(SIZES, sizes, strict=True))
    loss, logs = build(method, **options)(episode(**options))
    assert loss.isfinite()
    assert 0 <= float(logs["top1"]) <= 1


@BOTH
def test_a_sampler_of_other_sizes_is_refused(method):
    name = method.__name__
    remedy = (
        f"bind the same three on main.sampler = @Episodes and on {name}, best from one macro each "
        "(Episodes.n_way = %n_way)."
    )
    start = f"{name} takes n_way, n_shot, n_query = (3, 2, 4): 18 images an episode, but the batch "
    with pytest.raises(UserError) as error:
        build(method)(episode(n_query=5))
    assert str(error.value) == f"{start}has 21; {remedy}"
    with pytest.raises(UserError) as error:  # as many images, divided otherwise
        build(method)(episode(n_shot=4, n_query=2))
    assert str(error.value).startswith(f"{start[:-6]}batch's labels are not ordered so (support [")
    assert str(error.value).endswith(remedy)


@BOTH
@pytest.mark.parametrize(("option", "least"), [("n_way", 2), ("n_shot", 1), ("n_query", 1)])
def test_sizes_too_small_are_refused(method, option, least):
    with pytest.raises(UserError) as error:
        build(method, **{option: least - 1})
    assert str(error.value) == (
        f"{method.__name__}.{option} is {least - 1}: bind a whole number of {least} or more."
    )


def test_unlabelled_rows_are_refused():
    with pytest.raises(UserError, match="learns from labels, but the training rows have none"):
        build(PrototypicalNet)(dataclasses.replace(episode(), labels=None))
