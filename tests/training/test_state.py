from functools import partial

import pytest
import torch
from torch import nn

from fewshot.errors import UserError
from fewshot.training.averaging import WeightAverage
from fewshot.training.epoch_means import Averages
from fewshot.training.monitor import Monitor
from fewshot.training.schedules import Schedule, ScheduleSizes
from fewshot.training.state import TrainingState

CPU = torch.device("cpu")


def test_averages_weigh_by_images():
    averages = Averages()
    assert averages.means() == {}
    averages.add({"loss": torch.tensor(1.0), "top1": torch.tensor(0.5)}, 3)
    averages.add({"loss": torch.tensor(5.0), "top1": torch.tensor(1.0)}, 1)
    assert averages.means() == pytest.approx({"loss": 2.0, "top1": 0.625})
    other = Averages()
    other.load_state_dict(averages.state_dict(), CPU)
    other.add({"loss": torch.tensor(2.0), "top1": torch.tensor(0.625)}, 4)
    assert other.means() == pytest.approx({"loss": 2.0, "top1": 0.625})
    assert averages.mean("loss") == 2.0


class _Plain:
    def state_dict(self):
        return {}

    def load_state_dict(self, state_dict):
        assert state_dict == {}


def _state(scheduled=False):
    net = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    factory = partial(torch.optim.lr_scheduler.StepLR, step_size=1) if scheduled else None
    schedule = Schedule(factory, optimizer, ScheduleSizes(3, 4, "step", "max"))
    average = WeightAverage(net, None)
    return TrainingState(net, optimizer, schedule, _Plain(), Monitor("last", None), average)


def test_another_thread_count_is_warned_of(caplog):
    state = _state()
    saved = state.state_dict() | {"threads": 77}
    state.load_state_dict(saved, CPU, 3, 4)
    assert "used 77 threads and goes on with" in caplog.text


@pytest.mark.parametrize(
    ("then", "now", "message"),
    [
        (True, False, "its optimizer.param_groups.0 has initial_lr besides"),
        (False, True, "its optimizer.param_groups.0 lacks initial_lr: resume with"),
    ],
)
def test_a_schedule_on_one_side_only_is_refused(then, now, message):
    with pytest.raises(UserError, match=message):
        _state(scheduled=now).load_state_dict(_state(scheduled=then).state_dict(), CPU, 3, 4)


def _places(value, path=()):
    """Every place in a nested value."""
    yield path
    pairs = enumerate(value) if isinstance(value, list) else ()
    for key, inner in value.items() if isinstance(value, dict) else pairs:
        yield from _places(inner, (*path, key))


def _changed(value, path, other):
    if not path:
        return other
    copy = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = _changed(value[path[0]], path[1:], other)
    return copy


def _run_in_progress():
    """A state that has gone one step."""
    state = _state(scheduled=True)
    loss = state.objective(torch.ones(1, 2)).sum()
    loss.backward()
    state.optimizer.step()
    state.schedule.after_step()
    state.averages.add({"loss": loss.detach()}, 1)
    state.progress.step = state.progress.total_steps = 1
    return state


WRONG = [None, "text", -1, float("nan"), [], {}, {"a": 1}, torch.zeros(7), 10**9, True]


def test_any_wrong_field_is_refused_or_taken_and_never_crashes():
    saved = _run_in_progress().state_dict()
    refused = 0
    for path in _places(saved):
        for wrong in WRONG:
            fresh = _state(scheduled=True)
            try:
                fresh.load_state_dict(_changed(saved, path, wrong), CPU, 3, 4)
            except UserError as error:
                assert "last.ckpt" in str(error)
                refused += 1
                continue
            fresh.averages.means(), fresh.summary([])
            fresh.objective(torch.ones(1, 2)).sum().backward()
            fresh.optimizer.step()
    assert refused > 250
    _state(scheduled=True).load_state_dict(saved, CPU, 3, 4)
