import copy
import warnings

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from fewshot.training.cycled_adam import CycledAdam
from fewshot.training.device_rates import DeviceRates
from tests.training.tape import Tape
from tests.training.test_capture import STEPS, Net, Refusing, Run, sgd

STEPS_OF_A_CYCLE = 30


def adamw(groups):
    return torch.optim.AdamW(groups, lr=0.01, weight_decay=0.1, eps=1e-6)


def adam(groups):
    return torch.optim.Adam(groups, lr=0.01, weight_decay=0.1, betas=(0.8, 0.98))


def cycle(optimizer):
    return OneCycleLR(optimizer, max_lr=0.05, total_steps=STEPS_OF_A_CYCLE)


def trained(make, own, steps=STEPS_OF_A_CYCLE - 1, before=0, pause=()):
    """(weights, optimiser) after steps; own: from which step on it is CycledAdam's.

    pause: steps at which the first weights have no gradient.
    """
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2))
    late = nn.Parameter(torch.ones(3))  # which gets its first gradient later
    optimizer = make([{"params": net.parameters()}, {"params": [late], "weight_decay": 0.0}])
    schedule, stepping = cycle(optimizer), None
    drawn = torch.Generator().manual_seed(1)
    for step in range(steps):
        inputs = torch.randn(16, 5, generator=drawn)
        loss = net(inputs).square().mean()
        if before and step >= before:
            loss = loss + (late - 3).square().sum()
        loss.backward()
        if step in pause:
            net[0].weight.grad = None
        if step >= own:
            stepping = stepping or DeviceRates(optimizer)
            stepping.load()
            with stepping.used():
                optimizer.step()
        else:
            optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return [*net.parameters(), late], optimizer


@pytest.mark.parametrize("make", [adam, adamw])
@pytest.mark.parametrize(("own", "before"), [(0, 0), (7, 0), (0, 3), (7, 3), (3, 7)])
@pytest.mark.parametrize("pause", [(), range(5, 9), (4, 6, 11, 12)], ids=str)
def test_steps_are_those_of_torch_under_the_same_cycle(make, own, before, pause):
    """From the start, after steps of torch's own, and with counters that differ, then or later."""
    expected, theirs = trained(make, STEPS_OF_A_CYCLE, before=before, pause=pause)
    found, ours = trained(make, own, before=before, pause=pause)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-5, atol=2e-6)
    assert [group["betas"] for group in ours.param_groups] == [
        group["betas"] for group in theirs.param_groups
    ]
    for one, other in zip(ours.state.values(), theirs.state.values(), strict=True):
        assert list(one) == list(other)
        assert one["step"] == other["step"] and one["step"].dtype == other["step"].dtype


@pytest.mark.parametrize("optimizer", [adam, adamw])
@pytest.mark.parametrize("clip", [None, 0.05])
def test_a_cycle_of_beta_is_captured_with_the_optimiser(optimizer, clip, caplog):
    caplog.set_level("INFO", "fewshot")
    tape = Tape()
    options = {"optimizer": optimizer, "schedule": cycle, "clip": clip}
    captured = Run(tape, **options)
    assert (captured.reasons, captured.step._whole) == ([], True)
    assert (tape.recorded, tape.replays) == (1, STEPS - 3)
    assert captured.same_as(Run(Refusing(), **options))
    assert not caplog.records


def test_the_optimisers_own_step_is_put_back_and_no_schedule_complains():
    optimizer = adamw([nn.Parameter(torch.ones(2))])
    own = optimizer.step
    plain = copy.copy(vars(optimizer))
    assert not CycledAdam.serves(optimizer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule = cycle(optimizer)
        assert CycledAdam.serves(optimizer)
        wrapped = optimizer.step
        rates = DeviceRates(optimizer)
        rates.load()
        optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
        with rates.used():
            assert optimizer.step is not wrapped
            optimizer.step()
        assert optimizer.step is wrapped
        schedule.step()
    assert own is not wrapped and "step" not in plain
    other = adamw([nn.Parameter(torch.ones(2))])
    other.param_groups[0]["max_momentum"] = 0.9
    with DeviceRates(other).used():
        assert "step" in vars(other)
    assert "step" not in vars(other)


@pytest.mark.parametrize("without", ["schedule", "amsgrad"])
def test_others_step_as_ever(without):
    optimizer = torch.optim.Adam([nn.Parameter(torch.ones(2))], amsgrad=without == "amsgrad")
    if without != "schedule":
        cycle(optimizer)
    assert not CycledAdam.serves(optimizer)


class Branching(Net):
    """A part that is used in batches of some sizes alone, and so pauses in the others."""

    used_in = ()

    def __init__(self):
        super().__init__()
        self.side = nn.Linear(4, 3)

    def forward(self, batch):
        features = self.features(batch)
        scores = self.head(features)
        if len(batch) in self.used_in:
            scores = scores + self.side(features)
        return nn.functional.cross_entropy(scores, batch.labels), {}


SIZES = (8, 8, 8, 8, 8, 3, 8, 8, 5, 8, 3, 8, 8)


@pytest.mark.parametrize("optimizer", [adam, adamw])
@pytest.mark.parametrize("schedule", [None, cycle])
@pytest.mark.parametrize("used_in", [(8,), (3,), (3, 5), (8, 5)], ids=str)
@pytest.mark.parametrize("sizes", [SIZES, (8, 8, 8, 3, *SIZES[4:])], ids=["later", "before"])
def test_what_pauses_between_repetitions_counts_its_own_steps(optimizer, schedule, used_in, sizes):
    """In steps that are not recorded, or in those alone; sizes: before the recording, or later."""
    net = type("Branched", (Branching,), {"used_in": used_in})
    options = {"net": net, "optimizer": optimizer, "schedule": schedule, "sizes": sizes}
    tape = Tape()
    captured, ordinary = Run(tape, **options), Run(Refusing(), **options)
    assert (captured.reasons, captured.step._whole) == ([], True)
    assert tape.replays > 4 and tape.recorded <= 2
    assert captured.same_as(ordinary)
    ours, theirs = (run.optimizer.state_dict()["state"] for run in (captured, ordinary))
    assert ours.keys() == theirs.keys()
    for number, state in ours.items():
        assert state.keys() == theirs[number].keys()
        assert all(torch.equal(state[name], theirs[number][name]) for name in state)


@pytest.mark.parametrize("optimizer", [adam, adamw, sgd])
@pytest.mark.parametrize("schedule", [None, cycle])
def test_what_an_optimiser_keeps_is_not_begun_in_a_recording(optimizer, schedule):
    """Which would begin it anew at each repetition: here a part thaws when one is about to be."""

    class Thawing(Branching):
        def before_step(self, step, total_steps):
            self.used_in = (8,) if step >= 3 else ()

    tape = Tape()
    options = {"net": Thawing, "optimizer": optimizer, "schedule": schedule}
    captured = Run(tape, **options)
    assert captured.reasons == []
    assert tape.replays == STEPS - 4
    assert captured.same_as(Run(Refusing(), **options))
