import math

import gin
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from fewshot.errors import UserError
from fewshot.training.optimisation import RangerLars, build_optimizer
from fewshot.training.schedules import (
    Schedule,
    ScheduleSizes,
    WarmupCosine,
    build_schedule,
    needs_figure,
)

SCHEDULES = ("OneCycleLR", "CosineAnnealingLR", "StepLR", "CyclicLR", "ReduceLROnPlateau")
NEEDED = {
    "OneCycleLR": ["max_lr = 0.1"],
    "StepLR": ["step_size = 2"],
    "CyclicLR": ["base_lr = 0.1", "max_lr = 1.0"],
}


@pytest.fixture(autouse=True, scope="module")
def _registered():
    gin.external_configurable(torch.optim.Adam, module="torch.optim")
    gin.external_configurable(torch.optim.SGD, module="torch.optim")
    for name in SCHEDULES:
        gin.external_configurable(getattr(lr_scheduler, name), module="torch.optim.lr_scheduler")


@pytest.fixture(autouse=True)
def _no_bindings():
    yield
    gin.clear_config()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(3, 2), nn.Linear(2, 2)

    def parameter_groups(self):
        return [{"params": self.a.parameters(), "lr": 0.5}, {"params": self.b.parameters()}]


@gin.register
def take(factory=None):
    return factory


def bound(*lines):
    """The factory a config would hand over."""
    gin.parse_config([f"take.factory = @{lines[0]}", *lines[1:]])
    return gin.get_configurable("take")()


def _sizes(every="step", epochs=5, steps=10, mode="max"):
    return ScheduleSizes(epochs, steps, every, mode)


def _sgd(lr=1.0):
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)


def test_bindings_reach_the_optimizer_and_groups_keep_their_own():
    optimizer = build_optimizer(bound("torch.optim.Adam", "torch.optim.Adam.lr = 0.01"), Net())
    assert type(optimizer) is torch.optim.Adam
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.01]


class NetOfTwoRates(Net):
    def parameter_groups(self):
        return [
            {"params": self.a.parameters()},
            {"params": self.b.parameters(), "lr_factor": 10},
        ]


def test_a_factor_multiplies_the_rate_under_a_schedule_that_multiplies():
    optimizer = build_optimizer(
        bound("torch.optim.SGD", "torch.optim.SGD.lr = 0.1"), NetOfTwoRates()
    )
    schedule = build_schedule(WarmupCosine, optimizer, _sizes())
    for _ in range(20):
        optimizer.step()
        schedule.step()
    first, second = (group["lr"] for group in optimizer.param_groups)
    assert second == pytest.approx(10 * first)


@pytest.mark.parametrize("name", ["OneCycleLR.max_lr = 0.1", "CyclicLR.max_lr = 0.1"])
def test_a_schedule_that_would_lose_a_factor_is_refused(name):
    optimizer = build_optimizer(
        bound("torch.optim.SGD", "torch.optim.SGD.lr = 0.1"), NetOfTwoRates()
    )
    lines = [f"torch.optim.lr_scheduler.{name}"]
    if name.startswith("Cyclic"):
        lines += [
            "torch.optim.lr_scheduler.CyclicLR.base_lr = 0.01",
            "torch.optim.lr_scheduler.CyclicLR.cycle_momentum = False",
        ]
    else:
        lines += ["torch.optim.lr_scheduler.OneCycleLR.cycle_momentum = False"]
    factory = bound(f"torch.optim.lr_scheduler.{name.partition('.')[0]}", *lines)
    with pytest.raises(UserError, match=r"LR gives every parameter the same .* factor 10 of some"):
        build_schedule(factory, optimizer, _sizes())


def test_adam_is_the_default_and_takes_bindings(caplog):
    caplog.set_level("INFO", "fewshot")
    gin.parse_config("torch.optim.Adam.lr = 0.02")
    assert build_optimizer(None, Net()).param_groups[1]["lr"] == 0.02
    assert "main.optimizer is not bound: torch.optim.Adam is used" in caplog.text


def test_a_refused_binding_is_said():
    with pytest.raises(UserError) as caught:
        build_optimizer(bound("torch.optim.SGD", "torch.optim.SGD.lr = -1.0"), Net())
    assert str(caught.value) == (
        "torch.optim.SGD (main.optimizer) refuses its bindings: Invalid learning rate: -1.0"
    )


def test_an_optimizer_without_a_required_argument_is_said():
    def choosy(params, momentum):
        raise AssertionError("not reached")

    with pytest.raises(UserError, match=r"choosy\.momentum is not bound"):
        build_optimizer(choosy, Net())


def test_nothing_trainable_is_said():
    with pytest.raises(UserError, match="Net has no trainable parameter: unfreeze a part"):
        build_optimizer(None, Net().requires_grad_(False))


@pytest.mark.parametrize(("every", "total"), [("step", 50), ("epoch", 5)])
def test_open_sizes_are_filled(every, total):
    name = "torch.optim.lr_scheduler."
    cosine = build_schedule(bound(name + "CosineAnnealingLR"), _sgd(), _sizes(every))
    assert cosine.T_max == total
    one_cycle = bound(name + "OneCycleLR", name + "OneCycleLR.max_lr = 0.1")
    assert build_schedule(one_cycle, _sgd(), _sizes(every)).total_steps == total
    warm = build_schedule(bound("WarmupCosine"), _sgd(), _sizes(every))
    for _ in range(total):
        warm.optimizer.step()
        warm.step()
    assert warm.get_last_lr() == pytest.approx([0.0])


def test_bound_sizes_stay():
    name = "torch.optim.lr_scheduler."
    cosine = bound(name + "CosineAnnealingLR", name + "CosineAnnealingLR.T_max = 7")
    assert build_schedule(cosine, _sgd(), _sizes()).T_max == 7
    gin.clear_config()
    scoped = bound(
        "slow/" + name + "CosineAnnealingLR",
        f"slow/{name}CosineAnnealingLR.T_max = 9",
        f"slow/{name}CosineAnnealingLR.eta_min = 0.25",
    )
    built = build_schedule(scoped, _sgd(), _sizes())
    assert (built.T_max, built.eta_min) == (9, 0.25)
    gin.clear_config()
    pair = bound(
        name + "OneCycleLR",
        name + "OneCycleLR.max_lr = 0.1",
        name + "OneCycleLR.epochs = 2",
        name + "OneCycleLR.steps_per_epoch = 3",
    )
    assert build_schedule(pair, _sgd(), _sizes()).total_steps == 6


def test_schedules_without_sizes_are_left_alone():
    name = "torch.optim.lr_scheduler."
    step = bound(name + "StepLR", name + "StepLR.step_size = 2")
    assert build_schedule(step, _sgd(), _sizes()).step_size == 2
    gin.clear_config()
    cyclic = bound(
        name + "CyclicLR", name + "CyclicLR.base_lr = 0.1", name + "CyclicLR.max_lr = 1.0"
    )
    built = build_schedule(cyclic, _sgd(), _sizes())
    assert built.mode == "triangular"  # another mode than reduce-on-plateau's
    assert not needs_figure(built)


def test_a_missing_argument_is_named():
    with pytest.raises(UserError) as caught:
        build_schedule(bound("torch.optim.lr_scheduler.OneCycleLR"), _sgd(), _sizes())
    assert str(caught.value) == (
        "torch.optim.lr_scheduler.OneCycleLR.max_lr is not bound, and "
        "torch.optim.lr_scheduler.OneCycleLR (main.schedule) cannot do without it: bind it in "
        "the config or with "
        '-p "torch.optim.lr_scheduler.OneCycleLR.max_lr=...".'
    )


@pytest.mark.parametrize("mode", ["min", "max"])
def test_reduce_on_plateau_follows_the_figure(mode):
    plateau = bound("torch.optim.lr_scheduler.ReduceLROnPlateau")
    built = build_schedule(plateau, _sgd(), _sizes(mode=mode))
    assert built.mode == mode
    assert needs_figure(built) and needs_figure(plateau)


def test_plain_callables_are_filled_too():
    built = build_schedule(lr_scheduler.CosineAnnealingLR, _sgd(), _sizes())
    assert built.T_max == 50
    assert build_schedule(None, _sgd(), _sizes()) is None


@pytest.mark.parametrize(
    ("schedule", "binding", "every", "told"),
    [
        ("OneCycleLR", "total_steps = 5", "step", "fails after 5 of the 50 moves of this run"),
        ("OneCycleLR", "total_steps = 4", "epoch", "fails after 4 of the 5 moves"),
        ("StepLR", "step_size = 0", "step", "fails after 0 of the 50 moves of this run: integer"),
    ],
)
def test_a_schedule_that_ends_early_or_divides_by_zero_is_refused(schedule, binding, every, told):
    lines = [f"{schedule}.{line}" for line in (*NEEDED[schedule], binding)]
    with pytest.raises(UserError, match=rf"{schedule} \(main\.schedule\) {told}"):
        Schedule(bound(schedule, *lines), _sgd(), _sizes(every))


@pytest.mark.parametrize("name", [*SCHEDULES, "WarmupCosine"])
def test_a_rehearsal_leaves_no_trace(name, monkeypatch):
    factory = bound(name, *(f"{name}.{line}" for line in NEEDED.get(name, [])))

    def rates(rehearsed):
        with monkeypatch.context() as patched:
            if not rehearsed:
                patched.setattr(Schedule, "_rehearse", lambda *_: None)
            net = torch.nn.Linear(2, 2)
            optimizer = torch.optim.SGD(net.parameters(), lr=1.0, momentum=0.9)
            schedule = Schedule(factory, optimizer, _sizes())
        found = []
        for _ in range(50):
            optimizer.step()
            schedule.after_step()
            groups = optimizer.param_groups
            found.append([{k: v for k, v in g.items() if k != "params"} for g in groups])
        return found

    assert rates(rehearsed=True) == rates(rehearsed=False)


def test_schedule_every_is_checked():
    with pytest.raises(UserError, match=r"main\.schedule_every is 'day': bind 'step' or 'epoch'"):
        _sizes("day")


def test_warmup_cosine_by_its_formula():
    optimizer = _sgd(lr=2.0)
    schedule = WarmupCosine(optimizer, total_steps=20, warmup=0.2, final=0.1)
    rates = []
    for _ in range(22):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    rise = [2.0 * (step + 1) / 5 for step in range(4)]
    fall = [2.0 * (0.1 + 0.9 * (1 + math.cos(math.pi * s / 16)) / 2) for s in range(17)]
    assert rates == pytest.approx([*rise, *fall, 0.2])
    with pytest.raises(UserError, match=r"WarmupCosine\.warmup is .*: bind a share of the steps"):
        build_schedule(bound("WarmupCosine", "WarmupCosine.warmup = 5.0"), _sgd(), _sizes())


def _loss(net):
    return net.b(net.a(torch.ones(4, 3))).square().sum()


def test_ranger_lars_looks_ahead_over_rectified_lamb():
    from pytorch_optimizer import Lamb

    ours, plain = Net(), Net()
    slow = [p.detach().clone() for p in plain.parameters()]
    optimizer = RangerLars(list(ours.parameters()), lr=0.01, k=3)
    fast = Lamb(list(plain.parameters()), lr=0.01, rectify=True)
    for step in range(1, 7):
        for net, one in ((ours, optimizer), (plain, fast)):
            one.zero_grad()
            _loss(net).backward()
            one.step()
        if step % 3 == 0:
            with torch.no_grad():
                for held, weights in zip(slow, plain.parameters(), strict=True):
                    held += 0.5 * (weights - held)
                    weights.copy_(held)
    for one, two in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-6)


def test_ranger_lars_is_scheduled_and_resumed_exactly(tmp_path):
    def train(net, optimizer, schedule, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            _loss(net).backward()
            optimizer.step()
            schedule.step()

    def build(net):
        optimizer = build_optimizer(bound("RangerLars", "RangerLars.lr = 0.01"), net)
        name = "torch.optim.lr_scheduler.OneCycleLR"
        schedule = build_schedule(bound(name, f"{name}.max_lr = 0.1"), optimizer, _sizes())
        return optimizer, schedule

    whole, cut, rest = Net(), Net(), Net()
    train(whole, *build(whole), 9)
    first = build(cut)
    train(cut, *first, 4)
    parts = [part.state_dict() for part in (cut, *first)]
    torch.save(parts, tmp_path / "state")
    loaded = torch.load(tmp_path / "state", weights_only=True)
    second = build(rest)
    for part, state in zip((rest, *second), loaded, strict=True):
        part.load_state_dict(state)
    train(rest, *second, 5)
    for one, two in zip(whole.parameters(), rest.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("name", [*SCHEDULES, "WarmupCosine"])
def test_every_schedule_state_loads_without_executing_code(tmp_path, name):
    extra = NEEDED.get(name, [])
    optimizer = _sgd()
    schedule = build_schedule(
        bound(name, *(f"{name}.{line}" for line in extra)), optimizer, _sizes()
    )
    optimizer.step()
    schedule.step(*([0.5] if needs_figure(schedule) else []))
    torch.save(schedule.state_dict(), tmp_path / "state")
    schedule.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
