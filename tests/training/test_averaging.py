import copy

import pytest
import torch
from torch import nn

from fewshot.errors import UserError
from fewshot.training.averaging import WeightAverage
from tests.training.tiny_training import TinyNet, cpu_trainer, make_fit, same_states


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def train(model, steps, average):
    """Steps of SGD; the states after each."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    states = []
    for _ in range(steps):
        model(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        average.update()
        states.append(copy.deepcopy(model.state_dict()))
    return states


def test_it_is_the_recursion_it_is_defined_by():
    model = net()
    wanted = copy.deepcopy(model.state_dict())
    average = WeightAverage(model, 0.5)
    for number, state in enumerate(train(model, 6, average), 1):
        kept = min(0.5, (1 + number) / (10 + number))
        for name, value in state.items():
            wanted[name] = kept * wanted[name] + (1 - kept) * value
    own = copy.deepcopy(model.state_dict())
    with average.applied():
        for name, value in model.state_dict().items():
            if name.endswith("num_batches_tracked"):
                assert torch.equal(value, own[name])
            else:
                torch.testing.assert_close(value, wanted[name])
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())


def test_weights_come_back_when_what_is_done_with_the_mean_fails():
    model = net()
    average = WeightAverage(model, 0.9)
    own = train(model, 3, average)[-1]
    with pytest.raises(KeyboardInterrupt), average.applied():
        raise KeyboardInterrupt
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())


def test_it_goes_on_from_its_state():
    model = net()
    average = WeightAverage(model, 0.9)
    train(model, 3, average)
    again = WeightAverage(model, 0.9)
    again.load_state_dict(copy.deepcopy(average.state_dict()))
    train(model, 1, average)
    again.update()
    one, two = average.state_dict(), again.state_dict()
    assert one["updates"] == two["updates"] == 4
    assert all(torch.equal(value, two["mean"][name]) for name, value in one["mean"].items())


def test_without_a_decay_nothing_is_averaged():
    model = net()
    average = WeightAverage(model, None)
    own = train(model, 2, average)[-1]
    assert average.state_dict() == {"updates": 0, "mean": {}}
    with average.applied():
        assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan")])
def test_other_decays_are_refused(decay):
    with pytest.raises(UserError, match=r"Trainer\.ema_decay is"):
        WeightAverage(net(), decay)


def averaging(checkpoint_steps=None):
    return cpu_trainer(precision="32-true", ema_decay=0.6, checkpoint_steps=checkpoint_steps)


def test_the_mean_is_what_a_run_validates_and_keeps(tmp_path):
    seen = []
    net = TinyNet()

    def validate():
        seen.append(copy.deepcopy(net.state_dict()))
        return {"validation": {"top1": 0.5}}

    fit = make_fit(tmp_path / "run", net, validate=validate)
    averaging().fit(fit)
    kept = torch.load(fit.folder.model)
    assert same_states(kept, seen[-1])
    assert len(seen) == 3
    plain = make_fit(tmp_path / "plain")
    cpu_trainer(precision="32-true").fit(plain)
    # training itself is the same; the mean is another model
    assert same_states(net.state_dict(), plain.objective.state_dict())
    assert not torch.equal(kept["conv.weight"], net.conv.weight)


@pytest.mark.parametrize("death", [2, 7, 11])
def test_a_run_cut_at_any_step_ends_with_the_same_mean(tmp_path, death):
    reference = make_fit(tmp_path / "whole")
    averaging().fit(reference)
    with pytest.raises(KeyboardInterrupt):
        averaging(3).fit(make_fit(tmp_path / "run", TinyNet(die_at=death)))
    again = make_fit(tmp_path / "run", resume=True)
    averaging(3).fit(again)
    assert again.folder.model.read_bytes() == reference.folder.model.read_bytes()


def test_what_a_module_keeps_beside_tensors_is_not_averaged():
    class Told(nn.Linear):
        def get_extra_state(self):
            return {"steps": 3}

        def set_extra_state(self, state):
            assert state == {"steps": 3}

    model = Told(3, 2)
    average = WeightAverage(model, 0.5)
    train(model, 2, average)
    assert set(average.state_dict()["mean"]) == {"weight", "bias"}
