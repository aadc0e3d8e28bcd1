import pytest
import torch
from torch import nn

from fewshot.errors import UserError
from fewshot.training.monitor import Monitor
from fewshot.training.state import Averages, TrainingState

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
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1) if scheduled else None
    return TrainingState(net, optimizer, schedule, _Plain(), Monitor("last", None))


def test_another_thread_count_is_warned_of(caplog):
    state = _state()
    saved = state.state_dict() | {"threads": 77}
    state.load_state_dict(saved, CPU)
    assert "used 77 threads and goes on with" in caplog.text


def test_a_schedule_on_one_side_only_is_refused():
    with pytest.raises(UserError, match="disagree on whether there is a schedule"):
        _state(scheduled=True).load_state_dict(_state().state_dict(), CPU)
