"""The closed form against the library's loss over the miner's triplets: value, gradient, count."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_metric_learning import distances, losses, miners, reducers, regularizers

from fewshot.objectives.metric_losses import loss_of_labelled
from fewshot.objectives.miners import BatchHard, SemiHard
from fewshot.objectives.semi_hard_loss import in_closed_form, semi_hard_loss

ROWS = torch.randn(12, 5, generator=torch.Generator().manual_seed(1))


def library(loss, miner, points, labels):
    chosen = miner(points.detach(), labels)
    value = loss(points, labels, chosen)
    return value + points.sum() * 0, len(chosen[0])


@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 40),
    classes=st.integers(1, 9),
    whole_numbers=st.booleans(),
    normalize=st.booleans(),
    mean=st.booleans(),
    margins=st.sampled_from([(0.5, 0.5), (0.2, 0.7), (0.7, 0.2), (4.0, 1.0)]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_it_is_the_librarys(seed, rows, classes, whole_numbers, normalize, mean, margins, dtype):
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(rows, 5, generator=generator, dtype=dtype)
    raw = raw.round() + 0.5 if whole_numbers else raw  # many equal distances, some of them 0
    labels = torch.randint(classes, (rows,), generator=generator)
    miner = SemiHard(margins[0], normalize)
    loss = losses.TripletMarginLoss(
        margins[1],
        distance=distances.LpDistance(normalize_embeddings=normalize),
        reducer=reducers.MeanReducer() if mean else None,
    )
    assert in_closed_form(loss, miner, raw)
    found = []
    for side in (semi_hard_loss, library):
        points = raw.clone().requires_grad_()
        value, mined = side(loss, miner, points, labels)
        (3 * value).backward()
        found.append((value.detach(), points.grad, torch.tensor(mined)))
    exact = 5e-6 if dtype == torch.float32 else 1e-12  # sums of hundreds of terms in other orders
    for own, theirs in zip(*found, strict=True):
        torch.testing.assert_close(own, theirs, rtol=exact, atol=exact)


def test_a_large_batch_is_the_librarys():
    labels = torch.arange(32).repeat_interleave(8)
    raw = torch.randn(256, 128, generator=torch.Generator().manual_seed(0))
    loss, miner = losses.TripletMarginLoss(0.2), SemiHard(0.2)
    found = []
    for side in (semi_hard_loss, library):
        points = raw.clone().requires_grad_()
        value, mined = side(loss, miner, points, labels)
        value.backward()
        assert mined > 100_000
        found.append((value.detach(), points.grad))
    for own, theirs in zip(*found, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("rows", "width"), [(24, 5), (128, 64)])
def test_far_from_the_origin_nothing_cancels(rows, width):
    labels = torch.arange(rows) % 8
    raw = 100 + 0.1 * torch.randn(rows, width, generator=torch.Generator().manual_seed(0))
    loss = losses.TripletMarginLoss(0.2, distance=distances.LpDistance(normalize_embeddings=False))
    found = []
    for side in (semi_hard_loss, library):
        points = raw.clone().requires_grad_()
        value, _ = side(loss, SemiHard(0.2, normalize=False), points, labels)
        value.backward()
        found.append((value.detach(), points.grad))
    assert found[0][1].abs().max() > 1e-3
    for own, theirs in zip(*found, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-6, atol=1e-6)


def built(**changes):
    return losses.TripletMarginLoss(0.2, **changes)


@pytest.mark.parametrize(
    "loss",
    [
        built(swap=True),
        built(smooth_loss=True),
        built(distance=distances.LpDistance(p=1)),
        built(distance=distances.LpDistance(power=2)),
        built(distance=distances.LpDistance(normalize_embeddings=False)),
        built(distance=distances.CosineSimilarity()),
        built(reducer=reducers.ThresholdReducer(low=0.1)),
        built(reducer=reducers.ClassWeightedReducer(weights=torch.ones(9))),
        built(embedding_regularizer=regularizers.LpRegularizer()),
        built(collect_stats=True),
        losses.MarginLoss(),
    ],
)
def test_what_it_does_not_stand_for_goes_the_librarys_way(loss):
    labels = torch.arange(12) % 3
    assert not in_closed_form(loss, SemiHard(), ROWS)
    value, logs = loss_of_labelled(loss, SemiHard(), ROWS, labels)
    expected, mined = library(loss, SemiHard(), ROWS, labels)
    assert value.isfinite()
    assert torch.equal(value, expected.reshape(()))
    assert logs["mined"] == mined


def test_other_miners_and_precisions_go_the_librarys_way():
    loss = losses.TripletMarginLoss(0.2)
    assert not in_closed_form(loss, BatchHard(), ROWS)
    assert not in_closed_form(loss, miners.TripletMarginMiner(0.2, "semihard"), ROWS)
    assert not in_closed_form(loss, None, ROWS)
    assert not in_closed_form(loss, SemiHard(), ROWS.bfloat16())
    assert not in_closed_form(torch.nn.TripletMarginLoss(), SemiHard(), ROWS)


def test_what_is_no_number_is_seen_in_the_loss():
    rows = ROWS.clone()
    rows[3, 2] = torch.nan
    value, _ = loss_of_labelled(losses.TripletMarginLoss(), SemiHard(), rows, torch.arange(12) % 3)
    assert value.isnan()
