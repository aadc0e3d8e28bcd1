"""SimCLR and VICReg against their definitions, and what they share."""

import math

import gin
import pytest
import torch
from torch import nn

from fewshot.augmentation.transforms import RandomCrop
from fewshot.errors import UserError
from fewshot.models.model_file import load_model, restore, save_model
from fewshot.objectives.byol import BYOL
from fewshot.objectives.inputs import Inputs
from fewshot.objectives.simclr import SimCLR
from fewshot.objectives.vicreg import VICReg
from fewshot.objectives.views import loss_of_views, two_views, view_keys
from tests.objectives.toy import ToyEncoder, batch, spec


def cropping(given):
    return Inputs(given, lambda: RandomCrop(padding=3))


@pytest.fixture(autouse=True)
def clear_gin():
    yield
    gin.clear_config()


def projections(objective, shown):
    return [objective.projection(features) for features in two_views(objective, shown)]


def test_simclrs_loss_is_nt_xent():
    objective = SimCLR(spec(), ToyEncoder, cropping, 8, 4, temperature=0.3).eval()
    shown = batch(5)
    loss, _ = objective(shown)
    together = torch.cat(projections(objective, shown)).detach()
    views = [z / z.norm() for z in together]
    total = 0.0
    for i in range(10):
        positive = (i + 5) % 10
        numerator = math.exp(views[i] @ views[positive] / 0.3)
        denominator = sum(math.exp(views[i] @ views[k] / 0.3) for k in range(10) if k != i)
        total -= math.log(numerator / denominator)
    assert loss.item() == pytest.approx(total / 10, rel=1e-4)


def test_vicregs_loss_is_variance_invariance_and_covariance():
    objective = VICReg(spec(), ToyEncoder, cropping, 8, 4).eval()
    shown = batch(5)
    loss, _ = objective(shown)
    first, second = (z.detach() for z in projections(objective, shown))
    invariance = sum(((a - b) ** 2).item() for a, b in zip(first.flatten(), second.flatten()))  # noqa: B905
    total = 25 * invariance / first.numel()
    for view in (first, second):
        deviations = [math.sqrt(view[:, d].var().item() + 1e-4) for d in range(4)]
        total += 25 * 0.5 * sum(max(0.0, 1 - s) for s in deviations) / 4
        covariance = torch.cov(view.T)
        pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
        total += sum(covariance[i, j].item() ** 2 for i, j in pairs) / 4
    assert loss.item() == pytest.approx(total, rel=1e-4)


def test_views_are_drawn_apart_and_by_their_image():
    keys = batch().keys
    assert view_keys(keys, 1).tolist() == [[*row, 1] for row in keys.tolist()]
    objective = SimCLR(spec(), ToyEncoder, cropping).eval()
    shown = batch()
    first, second = two_views(objective, shown)
    assert not torch.allclose(first, second)
    for view, features in enumerate((first, second)):
        image = objective.augment(shown.images[2:3], view_keys(shown.keys[2:3], view))
        torch.testing.assert_close(features[2:3], objective.embed(image))


@pytest.mark.parametrize("method", [SimCLR, VICReg])
def test_the_loss_is_in_float32_whatever_the_precision(method):
    objective = method(spec(), ToyEncoder, cropping)
    seen = []

    def loss(first, second):
        seen.append((first.dtype, second.dtype, torch.is_autocast_enabled("cpu")))
        return (first - second).square().mean()

    with torch.autocast("cpu", torch.bfloat16):
        value, _ = loss_of_views(objective, batch(), objective.projection, loss)
    assert seen == [(torch.float32, torch.float32, False)]
    assert value.dtype == torch.float32


@pytest.mark.parametrize("method", [SimCLR, VICReg])
def test_a_model_file_holds_all_of_it_and_features_are_the_encoders(method, tmp_path):
    objective = method(spec(), ToyEncoder, cropping, 8, 4)
    objective(batch())
    objective.eval()
    norms = [m for m in objective.projection.modules() if isinstance(m, nn.BatchNorm1d)]
    assert norms
    shown = batch()
    assert objective.embed(shown.images).shape == (6, objective.encoder.num_features)
    save_model(objective, tmp_path / "model.mdl")
    again = method(spec(), ToyEncoder, cropping, 8, 4).eval()
    restore(again, load_model(tmp_path / "model.mdl"))
    torch.testing.assert_close(again(shown)[0], objective(shown)[0])


@pytest.mark.parametrize("method", [SimCLR, VICReg, BYOL])
def test_views_without_augmentation_are_refused(method):
    with pytest.raises(UserError, match=rf"{method.__name__} learns from distorted views, but Inp"):
        method(spec(), ToyEncoder, Inputs)


def test_spread_tells_a_collapse():
    objective = SimCLR(spec(), ToyEncoder, cropping)

    class Constant(nn.Module):
        def forward(self, features):
            return torch.ones(len(features), 4) + 0 * features[:, :1]

    def apart(features):
        signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
        return signs[: len(features)]

    def nothing(first, second):
        return (first - second).sum()

    _, collapsed = loss_of_views(objective, batch(4), Constant(), nothing)
    assert collapsed["spread"].item() == pytest.approx(0, abs=1e-6)
    _, spread = loss_of_views(objective, batch(4), apart, nothing)
    assert spread["spread"].item() == pytest.approx(1)


@pytest.mark.parametrize("method", [SimCLR, VICReg, BYOL])
def test_a_batch_of_one_image_is_refused(method):
    text = rf"{method.__name__} compares the images of a batch, and this one has a single image"
    with pytest.raises(UserError, match=text):
        method(spec(), ToyEncoder, cropping)(batch(1))
