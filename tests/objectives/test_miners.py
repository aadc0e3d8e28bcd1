"""The program's miners against the library's, triplet for triplet."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning import distances, losses, miners
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.objectives.metric_losses import loss_of_labelled
from fewshot.objectives.miners import BatchHard, SemiHard


def ours_and_theirs(normalize, margin=0.2):
    distance = distances.LpDistance(normalize_embeddings=normalize)
    return {
        "semi-hard": (
            SemiHard(margin, normalize),
            miners.TripletMarginMiner(margin, "semihard", distance=distance),
        ),
        "batch-hard": (BatchHard(normalize), miners.BatchHardMiner(distance=distance)),
    }


@pytest.mark.parametrize("kind", ["semi-hard", "batch-hard"])
@pytest.mark.parametrize("normalize", [True, False])
@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 40),
    classes=st.integers(1, 9),
    whole_numbers=st.booleans(),
)
def test_the_triplets_are_the_librarys(kind, normalize, seed, rows, classes, whole_numbers):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(rows, 5, generator=generator)
    points = points.round() + 0.5 if whole_numbers else points  # many equal distances
    labels = torch.randint(classes, (rows,), generator=generator)
    mine, library = ours_and_theirs(normalize, margin=0.5)[kind]
    for own, theirs in zip(mine(points, labels), library(points, labels), strict=True):
        assert own.tolist() == theirs.tolist()


@pytest.mark.parametrize("kind", ["semi-hard", "batch-hard"])
def test_loss_and_gradient_are_the_librarys(kind):
    points = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(64) % 8
    found = []
    for miner in ours_and_theirs(True)[kind]:
        embedding = F.normalize(points, dim=1).requires_grad_()
        value, logs = loss_of_labelled(losses.TripletMarginLoss(0.2), miner, embedding, labels)
        value.backward()
        found.append((value.detach(), embedding.grad, logs["mined"]))
    for own, theirs in zip(*found, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-6, atol=1e-7)
    assert found[0][2] > 0


def test_a_margin_of_nothing_is_refused():
    with pytest.raises(UserError, match=r"SemiHard\.margin is 0: bind a number above 0\."):
        SemiHard(0)
