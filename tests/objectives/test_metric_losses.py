import gin
import pytest
import torch
from pytorch_metric_learning import losses, miners
from torch.nn import functional as F

from fewshot.binding.filling import call_filled
from fewshot.errors import UserError
from fewshot.objectives.metric_losses import hard_share, loss_of_labelled

KNOWN = {"num_classes": 6, "embedding_size": 8, "descriptors_dim": 8}
PAIRED = [
    losses.AngularLoss,
    losses.CircleLoss,
    losses.ContrastiveLoss,
    losses.FastAPLoss,
    losses.LiftedStructureLoss,
    losses.MarginLoss,
    losses.MultiSimilarityLoss,
    losses.NCALoss,
    losses.NTXentLoss,
    losses.SmoothAPLoss,
    losses.SupConLoss,
    losses.TripletMarginLoss,
]
WITH_PROXIES = [
    losses.ArcFaceLoss,
    losses.CosFaceLoss,
    losses.NormalizedSoftmaxLoss,
    losses.P2SGradLoss,
    losses.ProxyAnchorLoss,
    losses.ProxyNCALoss,
    losses.SoftTripleLoss,
    losses.SubCenterArcFaceLoss,
]
MINERS = [
    miners.AngularMiner,
    miners.BatchEasyHardMiner,
    miners.BatchHardMiner,
    miners.DistanceWeightedMiner,
    miners.MultiSimilarityMiner,
    miners.PairMarginMiner,
    miners.TripletMarginMiner,
]


def name(factory):
    return factory.__name__


def embedding(n=12):
    torch.manual_seed(3)
    raw = torch.randn(n, 8, requires_grad=True)
    return raw, F.normalize(raw)


@pytest.mark.parametrize("factory", PAIRED + WITH_PROXIES, ids=name)
def test_every_loss_is_built_and_stepped(factory):
    loss = call_filled(factory, "TripletNet.loss", KNOWN)
    raw, rows = embedding()
    value, logs = loss_of_labelled(loss, None, rows, torch.arange(6).repeat(2))
    value.backward()
    assert value.shape == ()
    assert torch.isfinite(value)
    assert torch.isfinite(raw.grad).all()
    assert raw.grad.abs().sum() > 0
    assert logs["empty"] == 0


@pytest.mark.parametrize("labels", [torch.arange(12) % 12, torch.zeros(12).long()], ids=str)
@pytest.mark.parametrize("factory", PAIRED, ids=name)
def test_nothing_to_compare_is_a_zero_loss_on_the_graph_and_a_count(factory, labels):
    loss = call_filled(factory, "TripletNet.loss", KNOWN)
    raw, rows = embedding()
    value, logs = loss_of_labelled(loss, None, rows, labels)
    value.backward()
    assert value.item() == 0
    assert torch.equal(raw.grad, torch.zeros_like(raw))
    assert logs["empty"] == 1
    assert logs["hard_anchors"] == 0


@pytest.mark.parametrize("factory", WITH_PROXIES, ids=name)
def test_proxies_compare_with_any_batch(factory):
    loss = call_filled(factory, "TripletNet.loss", KNOWN)
    raw, rows = embedding(6)
    value, _ = loss_of_labelled(loss, None, rows, torch.arange(6))
    value.backward()
    assert value.item() > 0
    assert raw.grad.abs().sum() > 0


@pytest.mark.parametrize("factory", MINERS, ids=name)
def test_every_miner_chooses_or_is_counted_empty(factory):
    miner = call_filled(factory, "TripletNet.miner", KNOWN)
    loss = losses.TripletMarginLoss()
    raw, rows = embedding()
    value, logs = loss_of_labelled(loss, miner, rows, torch.arange(6).repeat(2))
    value.backward()
    assert torch.isfinite(raw.grad).all()
    assert logs["mined"] > 0
    assert logs["empty"] == 0
    raw, rows = embedding()
    value, logs = loss_of_labelled(loss, miner, rows, torch.arange(12))
    value.backward()
    assert value.item() == 0
    assert torch.equal(raw.grad, torch.zeros_like(raw))


def test_batch_hard_against_a_loop():
    rows = embedding()[1].detach()
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3])
    loss = losses.TripletMarginLoss(margin=0.5)
    value, logs = loss_of_labelled(loss, miners.BatchHardMiner(), rows, labels)
    violations, wrong = [], 0
    for i in range(12):
        distances = [float((rows[i] - rows[j]).norm()) for j in range(12)]
        far = max(d for j, d in enumerate(distances) if labels[j] == labels[i] and j != i)
        near = min(d for j, d in enumerate(distances) if labels[j] != labels[i])
        violations.append(max(far - near + 0.5, 0))
        wrong += far >= near
    active = [violation for violation in violations if violation > 0]
    assert value.item() == pytest.approx(sum(active) / len(active), rel=1e-4)
    assert logs["hard_anchors"].item() == pytest.approx(wrong / 12)
    assert (
        hard_share(torch.eye(4).repeat_interleave(3, 0), torch.arange(4).repeat_interleave(3)) == 0
    )


def test_gins_wrapper_is_seen_through_and_bindings_reach_the_loss():
    gin.clear_config()
    gin.external_configurable(losses.SubCenterArcFaceLoss, module="seen_through")
    gin.parse_config("seen_through.SubCenterArcFaceLoss.sub_centers = 2")
    factory = gin.get_configurable("seen_through.SubCenterArcFaceLoss")
    assert call_filled(factory, "TripletNet.loss", KNOWN).W.shape == (8, 12)
    gin.clear_config()


def test_what_is_asked_for_and_unknown_is_named():
    with pytest.raises(UserError) as error:
        call_filled(losses.RankedListLoss, "TripletNet.loss", KNOWN)
    assert str(error.value).startswith("pml.RankedListLoss.Tn is not bound, and pml.RankedListLoss")
