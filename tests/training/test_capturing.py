import logging
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from fewshot.errors import UserError
from fewshot.training import capturing
from fewshot.training.captured_augmentation import CapturedAugmentation
from fewshot.training.capturing import captured_where_safe
from fewshot.training.schedules import WarmupCosine
from tests.training.tape import Tape
from tests.training.test_capture import Net, batches
from tests.training.tiny_training import TinyDataset, cpu_trainer, make_fit


class Plain(Net):
    """Net with the parameter groups that a trainer asks for."""

    def parameter_groups(self):
        return [{"params": self.parameters()}]


class Counting(Plain):
    calls = 0

    def features(self, batch):
        self.calls += 1
        return super().features(batch)


@pytest.fixture
def tape(monkeypatch):
    """Steps of the processor are recorded as those of a GPU would be."""
    made = Tape()
    monkeypatch.setattr(capturing, "recorder_for", lambda device: made)
    return made


def trained(path, net=None, captured=None, trainer=None, **changes):
    net = Plain() if net is None else net
    options = {"captured": captured, "clip_norm": 0.5, "ema_decay": 0.9} | (trainer or {})
    options = {"precision": "32-true"} | options
    changes = {"schedule": WarmupCosine, "num_epochs": 4} | changes
    cpu_trainer(**options).fit(make_fit(path, net, **changes))
    return net


def test_a_captured_run_learns_what_an_ordinary_one_learns(tape, tmp_path):
    captured = trained(tmp_path / "captured").state_dict()
    ordinary = trained(tmp_path / "ordinary", captured=False).state_dict()
    # three whole batches and a rest an epoch, the first three whole ones before the recording
    assert (tape.recorded, tape.replays) == (1, 9)
    for name, tensor in captured.items():
        torch.testing.assert_close(tensor, ordinary[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cut", [1, 2])
def test_a_captured_run_that_was_cut_goes_on_bit_for_bit(tape, tmp_path, cut):
    class Cut(TinyDataset):
        left = 10**6

        def images(self, rows):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return super().images(rows)

    whole = trained(tmp_path / "whole", trainer={"checkpoint_steps": 1})
    dataset = Cut()
    dataset.left = 4 * cut + 3
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut", trainer={"checkpoint_steps": 1}, dataset=dataset)
    resumed = trained(tmp_path / "cut", resume=True, trainer={"checkpoint_steps": 1})
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_loss_that_is_not_finite_ends_a_captured_run(tape, tmp_path):
    class Diverging(Plain):
        def forward(self, batch):
            loss, logs = super().forward(batch)
            return loss + torch.where(batch.keys[0, 1] >= 2, torch.inf, 0.0), logs

    with pytest.raises(UserError, match=r"the loss is inf in epoch 3, step 1"):
        trained(tmp_path / "run", Diverging())
    assert tape.replays > 0


def test_what_cannot_be_captured_is_said_once_and_its_augmentation_is(tape, tmp_path, caplog):
    caplog.set_level(logging.INFO, "fewshot")
    ordinary = trained(tmp_path / "ordinary", Counting(), captured=False)
    counting = trained(tmp_path / "captured", Counting())
    for name, tensor in counting.state_dict().items():
        torch.testing.assert_close(tensor, ordinary.state_dict()[name], rtol=1e-4, atol=1e-6)
    said = [r.getMessage() for r in caplog.records if "captured" in r.getMessage()]
    assert said == [
        "the training step of Counting is not captured: it changes an attribute (calls); its "
        "augmentation is"
    ]
    assert tape.recorded == 2  # for whole batches, and for the rest of an epoch


def test_capture_that_is_insisted_on_and_cannot_be_had_is_refused(tape, tmp_path):
    with pytest.raises(UserError, match=r"step of Counting cannot be captured: it changes an attr"):
        trained(tmp_path / "run", Counting(), captured=True)


def test_a_processor_captures_nothing(tmp_path):
    with pytest.raises(UserError, match=r"Trainer\.captured is True, but the device is 'cpu'"):
        trained(tmp_path / "run", captured=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"compiled": True}, "Hardware.compiled is True"),
        ({"fabric": SimpleNamespace(world_size=2)}, "several processes share each step"),
        ({}, "its before_step may change what a step does"),
    ],
)
def test_what_is_known_to_hinder_is_told_before_the_first_step(tape, caplog, changes, reason):
    class Teaching(nn.Module):
        def before_step(self, step, total_steps):
            """Moves something."""

    caplog.set_level(logging.INFO, "fewshot")
    values = {"compiled": False, "precision": "32-true", "device": torch.device("cpu")}
    hardware = SimpleNamespace(**values | {"fabric": SimpleNamespace(world_size=1)} | changes)
    step = SimpleNamespace(objective=Teaching())
    assert captured_where_safe(step, hardware, None) is step
    assert [record.getMessage() for record in caplog.records] == [
        f"the training step of Teaching is not captured: {reason}"
    ]


def test_what_a_step_logs_is_tried_before_anything_is_captured(monkeypatch, tmp_path):
    class OnAStream(Tape):
        def __deepcopy__(self, memo):
            raise TypeError("cannot pickle 'Stream' object")

    class Stepping(Plain):
        def before_step(self, step, total_steps):
            pass

    tape = OnAStream()
    monkeypatch.setattr(capturing, "recorder_for", lambda device: tape)
    trained(tmp_path / "run", Stepping(), select_by="train/top1")
    assert tape.replays > 0


def test_what_is_captured_is_given_back_when_training_is_over(tape, tmp_path, monkeypatch):
    held = []

    class Following(CapturedAugmentation):
        def __init__(self, *given):
            super().__init__(*given)
            held.append(self)

    monkeypatch.setattr(capturing, "CapturedAugmentation", Following)
    net = trained(tmp_path / "run", Counting())
    assert [len(captured._recordings) for captured in held] == [0]
    assert "augment" not in vars(net)
    replays, batch = tape.replays, next(iter(batches()))
    assert torch.equal(
        held[0](batch.images, batch.keys), net.augment(batch.images, batch.keys)
    )  # by one who kept it
    assert tape.replays == replays > 0
