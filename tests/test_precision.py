"""Products that decide are made in full precision, whatever was decided for training on a card."""

import threading
from contextlib import contextmanager

import pytest
import torch
from pytorch_metric_learning import losses, miners
from torch.utils._python_dispatch import TorchDispatchMode

from fewshot.augmentation.resampling import warp
from fewshot.evaluation.near_duplicates import _candidates
from fewshot.evaluation.retrieval_metrics import Searched, retrieval
from fewshot.heads.knn import KNN
from fewshot.heads.logistic_regression import LogisticRegression
from fewshot.heads.matching import MatchingAttention
from fewshot.heads.prototypes import NearestPrototype, SimpleShot
from fewshot.heads.transductive.bd_cspn import BDCSPN
from fewshot.heads.transductive.laplacian_shot import LaplacianShot
from fewshot.objectives.matching_net import MatchingNet
from fewshot.objectives.miners import BatchHard, SemiHard
from fewshot.objectives.semi_hard_loss import semi_hard_loss
from fewshot.objectives.triplet_net import TripletNet
from fewshot.precision import full_precision
from tests.objectives.test_episodic import build as episodic
from tests.objectives.test_episodic import episode
from tests.objectives.test_triplet_net import SPEC, Flat, batch_of, data

PRODUCTS = {"mm", "bmm", "addmm", "baddbmm", "_cdist_forward", "_euclidean_dist"}
PRODUCTS |= {"affine_grid_generator"}
FEATURES = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(40) % 4
HEADS = [KNN(3), NearestPrototype(), SimpleShot(), LogisticRegression(), MatchingAttention()]
HEADS += [BDCSPN(), LaplacianShot()]


class Seen(TorchDispatchMode):
    """The precision in which each product was made."""

    def __init__(self):
        super().__init__()
        self.precisions = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in PRODUCTS:
            self.precisions.append(torch.get_float32_matmul_precision())
        return func(*args, **(kwargs or {}))


@contextmanager
def as_on_a_card():
    """As training sets it there."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


def made_in(work):
    """The precisions of the products in it, and that it left the setting as it was."""
    with as_on_a_card(), Seen() as seen:
        work()
    return set(seen.precisions)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
@pytest.mark.parametrize("episodes", [False, True])
def test_heads_compare_in_full(head, episodes):
    parts = FEATURES[:20], LABELS[:20], FEATURES[20:]
    parts = tuple(part[None] for part in parts) if episodes else parts
    assert made_in(lambda: head(*parts, 4)) == {"highest"}


def test_retrieval_and_near_duplicates_compare_in_full():
    searched = Searched(FEATURES, LABELS)
    assert made_in(lambda: retrieval(searched, searched, itself=True)) == {"highest"}
    assert made_in(lambda: _candidates(FEATURES)) == {"highest"}


@pytest.mark.parametrize(
    "miner",
    [SemiHard, BatchHard, lambda: miners.TripletMarginMiner(0.2, "semihard")],
    ids=["closed form", "batch-hard", "the library's"],
)
def test_negatives_are_chosen_in_full(miner):
    """And what the embedding is told by them, in the encoder's own products not."""
    net = TripletNet(SPEC, Flat, loss=losses.TripletMarginLoss, miner=miner)
    net.guard = torch.nn.Identity()
    net.guard.observe = lambda loss, embedding: {}
    batch = batch_of(torch.arange(32).numpy(), *data())
    with as_on_a_card(), Seen() as seen:
        net(batch)
    encoded = 2  # products of the encoder and of the projection come first
    assert seen.precisions[:encoded] == ["high"] * encoded
    assert set(seen.precisions[encoded:]) == {"highest"}


def test_the_closed_forms_gradient_is_taken_in_full():
    points = FEATURES.clone().requires_grad_()
    value, _ = semi_hard_loss(losses.TripletMarginLoss(0.2), SemiHard(0.2), points, LABELS)
    assert made_in(value.backward) == {"highest"}


def test_episodes_and_coordinates_are_compared_in_full():
    net, batch = episodic(MatchingNet), episode()
    with as_on_a_card(), Seen() as seen:
        net(batch)
    assert seen.precisions == ["high", "highest"]  # the encoder's product, and that of the cosines
    images, inverse = torch.ones(2, 1, 8, 8), torch.eye(2, 3).expand(2, 2, 3)
    assert made_in(lambda: warp(images, inverse)) == {"highest"}


def test_nested_and_in_threads_it_is_put_back_once_all_are_done():
    inside, go_on, found = threading.Event(), threading.Event(), []

    def other():
        with full_precision(FEATURES):
            inside.set()
            go_on.wait(10)
            found.append(torch.get_float32_matmul_precision())

    with as_on_a_card():
        thread = threading.Thread(target=other)
        with full_precision(FEATURES):
            thread.start()
            inside.wait(10)
            with full_precision(FEATURES):
                found.append(torch.get_float32_matmul_precision())
            found.append(torch.get_float32_matmul_precision())
        found.append(torch.get_float32_matmul_precision())  # the other is not done
        go_on.set()
        thread.join()
    assert found == ["highest"] * 4


def test_it_is_put_back_after_an_error():
    with as_on_a_card():
        with pytest.raises(ZeroDivisionError), full_precision(FEATURES):
            raise ZeroDivisionError
        assert torch.get_float32_matmul_precision() == "high"
