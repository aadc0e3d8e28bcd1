import pytest
import torch
from torch import nn

from fewshot.batch import Batch
from fewshot.errors import UserError
from fewshot.training.alike import check_stepped
from fewshot.training.rehearsal import check_logged, stepped_state
from tests.training.tiny_training import TinyNet, figures, make_fit


def stepped(factory, steps=2):
    """An optimiser that has gone some steps, and what it moves."""
    net = nn.Linear(3, 2)
    optimizer = factory(net.parameters())
    for _ in range(steps):
        net(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    return net, optimizer


@pytest.mark.parametrize(
    "factory",
    [
        lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9),
        lambda groups: torch.optim.Adam(groups, lr=0.1, amsgrad=True),
        lambda groups: torch.optim.AdamW(groups, lr=0.1),
        lambda groups: torch.optim.RMSprop(groups, lr=0.1),
        lambda groups: torch.optim.Adagrad(groups, lr=0.1),
    ],
)
def test_a_step_on_zeros_tells_the_kind_of_every_state(factory):
    net, optimizer = stepped(factory)
    before = [parameter.detach().clone() for parameter in net.parameters()]
    fresh = stepped_state(factory(nn.Linear(3, 2).parameters()))
    assert stepped_state(optimizer) is not None
    check_stepped(optimizer.state_dict()["state"], fresh)
    assert all(torch.equal(one, two) for one, two in zip(before, net.parameters(), strict=True))


def test_a_state_of_another_kind_is_refused():
    def factory(parameters):
        return torch.optim.Adam(parameters, lr=0.1)

    _, optimizer = stepped(factory)
    saved, fresh = optimizer.state_dict()["state"], stepped_state(optimizer)
    for wrong in (3, "text", None, torch.zeros(7), torch.zeros(2, 3, dtype=torch.int64)):
        with pytest.raises(UserError, match=r"its optimizer's state\.0\.exp_avg is|exp_avg"):
            check_stepped({0: saved[0] | {"exp_avg": wrong}}, fresh)
    with pytest.raises(UserError, match=r"its optimizer\.state has 9 besides"):
        check_stepped(saved | {9: saved[0]}, fresh)


def test_an_optimiser_that_takes_no_such_step_is_not_compared():
    parameters = list(nn.Linear(3, 2).parameters())
    assert stepped_state(torch.optim.LBFGS(parameters)) is None


def test_the_figures_of_one_batch_are_those_of_all(tmp_path):
    net = TinyNet()
    fit = make_fit(tmp_path / "run", net, validate=figures(0.1))
    batch = _first_batch(fit)
    check_logged("train/top1", net, batch)
    with pytest.raises(UserError, match=r"'train/f1', which no training step logs: bind one of"):
        check_logged("train/f1", net, batch)
    assert not net.seen and int(net.steps_seen) == 0


def _first_batch(fit):
    rows = fit.sampler.batches(0)[0]
    index = torch.from_numpy(rows)
    keys = torch.stack([index * 0, index * 0, torch.arange(len(rows))], dim=1)
    labels = torch.from_numpy(fit.dataset.labels)[index]
    return Batch(fit.dataset.images(rows), labels, index, keys)
