import random
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR

from fewshot import seeding
from fewshot.augmentation.transforms import HorizontalFlip, RandomCrop
from fewshot.batch import Batch
from fewshot.seeding import KeyedRandom
from fewshot.training.capture import CapturedStep
from fewshot.training.captured_augmentation import CapturedAugmentation
from fewshot.training.device_rates import DeviceRates
from fewshot.training.step import TrainingStep
from tests.training.tape import Tape

CPU = torch.device("cpu")
STEPS = 9


class Net(nn.Module):
    """Convolution, batch norm, dropout and keyed augmentation: all that a step may do."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(4, 3)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def augment(self, images, keys):
        drawn = KeyedRandom(keys)
        return HorizontalFlip()(RandomCrop(padding=1)(images, drawn.fold(0)), drawn.fold(1))

    def features(self, batch):
        images = self.augment(batch.images, batch.keys).float() / 255
        return self.drop(self.norm(self.conv(images)).relu().mean((2, 3)))

    def forward(self, batch):
        scores = self.head(self.features(batch))
        loss = nn.functional.cross_entropy(scores, batch.labels)
        return loss, {"top1": (scores.argmax(1) == batch.labels).float().mean()}

    def after_step(self):
        self.seen += 1


class CutMixed(Net):
    """Half of each image is another's, by a draw of the global generator of the device."""

    def forward(self, batch):
        share = torch.rand(())
        images = batch.images.float()
        mixed = (share * images + (1 - share) * images.flip(0)).round().to(torch.uint8)
        return super().forward(Batch(mixed, batch.labels, batch.rows, batch.keys))


def batches(sizes=(8,) * STEPS):
    rng = np.random.default_rng(0)
    start = 0
    for size in sizes:
        images = torch.from_numpy(rng.integers(0, 256, (size, 3, 6, 6), dtype=np.uint8))
        labels = torch.from_numpy(rng.integers(0, 3, size))
        positions = torch.arange(start, start + size)
        keys = torch.stack([torch.full_like(positions, 5), torch.zeros_like(positions), positions])
        yield Batch(images, labels, positions, keys.T.contiguous())
        start += size


def adam(groups):
    return torch.optim.Adam(groups, lr=0.01, weight_decay=1e-3)


def sgd(groups):
    return torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True)


class Run:
    """So many steps, with the schedule moved after each; a recorder of None captures none."""

    def __init__(
        self, recorder, net=Net, optimizer=adam, schedule=None, clip=None, scaled=False,
        sizes=(8,) * STEPS,
    ):  # fmt: skip
        self.net, self.reasons, self.logs = net(), [], []
        made = optimizer(self.net.parameters())
        self.optimizer = made
        moves = None if schedule is None else schedule(made)
        fabric = Fabric(accelerator="cpu", devices=1)
        plain = TrainingStep(fabric, self.net, made, clip)
        self.step = plain
        if recorder is not None:
            self.step = CapturedStep(plain, recorder, CPU, scaled, self.reasons.append)
        self.net.train()
        for number, batch in enumerate(self.step.foreseen(batches(sizes))):
            seeding.reseed(1, 0, number, 0)
            self.logs.append(self.step(batch, number, len(sizes)))
            if moves is not None:
                moves.step()

    def same_as(self, other):
        ours, theirs = self.net.state_dict(), other.net.state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
        for one, two in zip(self.logs, other.logs, strict=True):
            assert {k: float(v) for k, v in one.items()} == {k: float(v) for k, v in two.items()}
        return True


class Refusing(Tape):
    """A recorder on which nothing comes to be recorded: every step is an ordinary one."""

    def record(self, work):
        raise RuntimeError("no recording here")


def warm_then_cosine(optimizer):
    return LambdaLR(optimizer, lambda step: (step + 1) / 4 if step < 3 else 0.9 ** (step - 3))


@pytest.mark.parametrize("optimizer", [adam, sgd])
@pytest.mark.parametrize("schedule", [None, warm_then_cosine])
@pytest.mark.parametrize("clip", [None, 0.05])
def test_replays_do_what_ordinary_steps_do(optimizer, schedule, clip):
    tape = Tape()
    options = {"optimizer": optimizer, "schedule": schedule, "clip": clip}
    captured = Run(tape, **options)
    assert captured.reasons == []
    assert (tape.recorded, tape.replays) == (1, STEPS - 3)
    assert captured.same_as(Run(Refusing(), **options))


def test_the_rate_of_a_captured_step_is_the_schedules():
    moved = Run(Tape(), schedule=warm_then_cosine)
    still = Run(Tape())
    assert not torch.equal(moved.net.head.weight, still.net.head.weight)
    assert all(type(group["lr"]) is float for group in moved.optimizer.param_groups)


def test_a_schedule_of_the_momentum_ends_the_recording_of_the_optimiser(caplog):
    caplog.set_level("INFO", "fewshot")

    def cycle(optimizer):
        return OneCycleLR(optimizer, max_lr=0.1, total_steps=STEPS + 1)

    tape = Tape()
    captured = Run(tape, optimizer=sgd, schedule=cycle)
    assert captured.same_as(Run(Refusing(), optimizer=sgd, schedule=cycle))
    assert captured.reasons == []
    assert (tape.recorded, tape.replays) == (2, STEPS - 3)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(
        "the training step is captured without its optimiser: main.schedule moves more of SGD than "
        "its learning rate, such as OneCycleLR its momentum."
    )


def test_an_optimiser_that_cannot_be_recorded_steps_by_itself(caplog):
    caplog.set_level("INFO", "fewshot")

    def rprop(groups):
        return torch.optim.Rprop(groups, lr=0.01)

    tape = Tape()
    captured = Run(tape, optimizer=rprop, clip=0.1)
    assert tape.replays == STEPS - 3
    assert "captured without its optimiser, Rprop as it is bound" in caplog.text
    assert captured.same_as(Run(Refusing(), optimizer=rprop, clip=0.1))


def test_with_a_scaler_the_optimiser_steps_by_itself():
    tape = Tape()
    captured = Run(tape, optimizer=sgd, scaled=True)
    assert tape.replays == STEPS - 3
    assert captured.same_as(Run(Refusing(), optimizer=sgd, scaled=True))


def test_mixtures_drawn_on_the_device_are_drawn_anew_at_each_replay():
    tape = Tape()
    assert Run(tape, net=CutMixed).same_as(Run(Refusing(), net=CutMixed))
    assert tape.replays == STEPS - 3


def test_batches_of_another_size_are_ordinary_steps_in_between():
    sizes = (8, 8, 8, 8, 3, 8, 8, 3, 8)
    tape = Tape()
    assert Run(tape, sizes=sizes).same_as(Run(Refusing(), sizes=sizes))
    assert tape.replays == 4


def test_logs_are_kept_though_the_recording_writes_its_own_anew():
    losses = [float(logs["loss"]) for logs in Run(Tape()).logs]
    assert len(set(losses)) == STEPS


def test_a_loss_that_is_not_finite_is_seen_in_the_logs():
    class Diverging(Net):
        def forward(self, batch):
            loss, logs = super().forward(batch)
            return loss + torch.where(batch.rows.max() >= 48, torch.nan, 0.0), logs

    losses = torch.stack([logs["loss"] for logs in Run(Tape(), net=Diverging).logs])
    assert losses.isfinite().tolist() == [True] * 6 + [False] * 3


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        (lambda net, x: x * float(x.mean().item() > -1), "it reads a number back (.item())"),
        (lambda net, x: x[x[:, 0] > -1], "its shapes depend on values (a mask as index)"),
        (lambda net, x: x[(x[:, 0] > -1).nonzero()[:, 0]], "its shapes depend on values (nonzero)"),
        (lambda net, x: x * random.uniform(1, 2), "it draws random numbers outside of the device"),
        (lambda net, x: x * np.random.rand(), "it draws random numbers outside of the device"),
        (lambda net, x: x * net.counted(), "it changes an attribute (count)"),
        (lambda net, x: x + net.remembered(x), "it changes an attribute (memory)"),
    ],
)  # fmt: skip
def test_a_step_that_cannot_be_recorded_is_noticed_and_said_once(does, reason):
    class Doing(Net):
        count = 0
        memory = None

        def counted(self):
            self.count += 1
            return self.count

        def remembered(self, features):
            last, self.memory = self.memory, features.detach()
            return 0 if last is None else last.mean()

        def features(self, batch):
            return does(self, super().features(batch))

    tape = Tape()
    captured = Run(tape, net=Doing)
    assert captured.reasons == [reason]
    assert (tape.recorded, tape.replays) == (0, 0)
    plain = Doing()
    assert not torch.equal(plain.head.weight, captured.net.head.weight)  # it went on training


def test_what_the_device_refuses_to_record_goes_on_as_ordinary_steps():
    run = Run(Refusing())
    assert run.reasons == ["no recording here"]
    assert int(run.net.seen) == STEPS


def test_a_step_goes_on_from_counters_on_another_device_and_leaves_groups_as_they_were():
    run = Run(Tape(), schedule=warm_then_cosine)
    group = run.optimizer.param_groups[0]
    assert (group["fused"], group["foreach"], group["capturable"]) == (None, None, False)
    again = adam(Net().parameters())
    again.load_state_dict(run.optimizer.state_dict())
    assert again.param_groups[0]["lr"] == group["lr"]


def test_an_augmentation_is_recorded_by_itself_for_each_size_of_a_batch():
    net, tape = Net(), Tape()
    captured = CapturedAugmentation(net, tape, CPU)
    made = list(batches((8, 8, 3, 8, 8, 3, 3, 3)))
    views = [captured(batch.images, batch.keys) for batch in made]
    for batch, view in zip(made, views, strict=True):
        assert torch.equal(view, net.augment(batch.images, batch.keys))
    assert (tape.recorded, tape.replays) == (2, 4)


def test_an_augmentation_that_cannot_be_recorded_is_called_as_ever(caplog):
    class Choosing(Net):
        def augment(self, images, keys):
            return images if float(KeyedRandom(keys).uniform().mean()) > 2 else images.flip(-1)

    caplog.set_level("INFO", "fewshot")
    net, tape = Choosing(), Tape()
    captured = CapturedAugmentation(net, tape, CPU)
    for batch in batches():
        assert torch.equal(captured(batch.images, batch.keys), batch.images.flip(-1))
    assert tape.recorded == 0
    assert [r.getMessage() for r in caplog.records] == [
        "the augmentation of Choosing is not captured either: it reads a number back (.item())"
    ]


def test_a_run_that_goes_on_with_a_short_batch_is_captured_with_the_whole_ones():
    tape, sizes = Tape(), (3, *[8] * 8)
    assert Run(tape, sizes=sizes).same_as(Run(Refusing(), sizes=sizes))
    assert (tape.recorded, tape.replays) == (1, 5)


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_momentum_that_begins_later_is_that_of_torch(nesterov):
    """Which torch's fused step refuses, where others have begun."""

    def trained(on_device):
        torch.manual_seed(0)
        early, late = nn.Parameter(torch.randn(4)), nn.Parameter(torch.randn(3))
        made = torch.optim.SGD(
            [early, late], lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=nesterov
        )
        rates = DeviceRates(made)
        for step in range(6):
            loss = (early - 1).square().sum() + (late + 2).square().sum() * (step > 2)
            loss.backward()
            late.grad = late.grad if step > 2 else None
            rates.load()
            with rates.used() if on_device else nullcontext():
                made.step()
            made.zero_grad()
        return [early, late, *(state["momentum_buffer"] for state in made.state.values())]

    for one, other in zip(trained(True), trained(False), strict=True):
        torch.testing.assert_close(one, other)
    damped = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9, dampening=0.1)
    assert not DeviceRates.serve(damped)


def test_a_step_that_replaces_tensors_is_not_recorded():
    """A recording would go on reading the old ones: in the forward pass, and after the step."""

    class Centring(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("centre", torch.zeros(4))

        def features(self, batch):
            features = super().features(batch)
            self.centre = 0.9 * self.centre + 0.1 * features.detach().mean(0)
            return features - self.centre

    class Following(Net):
        def __init__(self):
            super().__init__()
            self.slow = nn.Parameter(torch.zeros(3, 4), requires_grad=False)

        def features(self, batch):
            return super().features(batch) + self.slow.mean(0)

        def after_step(self):
            self.slow.data = 0.9 * self.slow.data + 0.1 * self.head.weight.data

    for net, name in ((Centring, "centre"), (Following, "slow")):
        tape = Tape()
        captured = Run(tape, net=net)
        assert captured.reasons == [
            f"it puts another tensor in the place of {name}: write into that"
        ]
        assert tape.recorded == 0
        assert captured.same_as(Run(Refusing(), net=net))
