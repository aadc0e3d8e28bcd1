"""BYOL against its definition, and its slow copy against a plain running mean."""

import math

import gin
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fewshot.augmentation.transforms import RandomCrop
from fewshot.errors import UserError
from fewshot.objectives.byol import BYOL
from fewshot.objectives.inputs import Inputs
from fewshot.objectives.views import both_views
from tests.objectives.toy import ToyEncoder, batch, spec


@pytest.fixture(autouse=True)
def clear_gin():
    yield
    gin.clear_config()


def byol(**more):
    inputs = lambda given: Inputs(given, lambda: RandomCrop(padding=3))  # noqa: E731
    return BYOL(spec(), ToyEncoder, inputs, 8, 4, **more)


def test_the_loss_is_the_distance_of_predictions_from_the_other_views_slow_projection():
    objective = byol().eval()
    with torch.no_grad():
        for weight in objective.slow_encoder.parameters():
            weight.mul_(0.5)
    shown = batch(5)
    loss, logs = objective(shown)
    fast, slow = [], []
    for view in both_views(objective, shown).chunk(2):
        fast.append(objective.prediction(objective.projection(objective.encoder(view))))
        slow.append(objective.slow_projection(objective.slow_encoder(view)))
    wanted = -(F.cosine_similarity(fast[0], slow[1]) + F.cosine_similarity(fast[1], slow[0])) / 2
    assert loss.item() == pytest.approx(wanted.mean().item(), rel=1e-5)
    assert 0 < logs["spread"].item() < 1.5


def test_the_slow_copy_starts_equal_has_no_gradient_and_is_not_trained():
    objective = byol()
    for slow, fast in (("slow_encoder", "encoder"), ("slow_projection", "projection")):
        state = getattr(objective, fast).state_dict()
        for name, value in getattr(objective, slow).state_dict().items():
            torch.testing.assert_close(value, state[name])
    objective(batch())[0].backward()
    trained = {id(p) for group in objective.parameter_groups() for p in group["params"]}
    for part in (objective.slow_encoder, objective.slow_projection):
        assert all(p.grad is None and id(p) not in trained for p in part.parameters())
    assert all(p.grad is not None for p in objective.prediction.parameters())


def test_the_slow_copy_is_the_running_mean_with_a_momentum_that_rises_to_one():
    objective = byol(momentum=0.9)
    mean = [p.detach().clone() for p in objective.slow_encoder.parameters()]
    for step in range(4):
        objective.before_step(step, 4)
        share = 1 - 0.1 * (math.cos(math.pi * step / 4) + 1) / 2
        with torch.no_grad():
            for weight in objective.encoder.parameters():
                weight.add_(1)
        objective.after_step()
        fast = objective.encoder.parameters()
        mean = [share * m + (1 - share) * w.detach() for m, w in zip(mean, fast, strict=True)]
    for found, wanted in zip(objective.slow_encoder.parameters(), mean, strict=True):
        torch.testing.assert_close(found.data, wanted)
    before = [p.clone() for p in objective.slow_encoder.parameters()]
    objective.before_step(4, 4)
    nn.init.zeros_(next(objective.encoder.parameters()))
    objective.after_step()
    torch.testing.assert_close(list(objective.slow_encoder.parameters()), before)


def test_a_model_file_goes_without_the_slow_copy_which_a_checkpoint_has():
    objective = byol()
    assert {name.partition(".")[0] for name in objective.rest_state()} == {
        "projection",
        "prediction",
    }
    assert any(name.startswith("slow_encoder.") for name in objective.state_dict())


@pytest.mark.parametrize("momentum", [-0.1, 1.1])
def test_a_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(UserError, match=rf"BYOL\.momentum is {momentum}: bind 0 to 1"):
        byol(momentum=momentum)
