import copy
from functools import partial

import pytest
import torch
from torch import nn

from fewshot.errors import UserError
from fewshot.training import compilation
from tests.training.tiny_training import TinyNet, cpu_trainer, make_fit, same_states


class TinyEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, images):
        return self.norm(self.conv(images)).relu().mean((2, 3))


class EncoderNet(TinyNet):
    """TinyNet with its first part as an encoder."""

    def __init__(self):
        super().__init__()
        self.encoder = TinyEncoder()

    def parameter_groups(self):
        return [{"params": self.encoder.parameters()}, {"params": self.head.parameters()}]

    def scores(self, images):
        return self.head(self.encoder(images.float() / 255))


def _sgd(groups):
    return torch.optim.SGD(groups, lr=0.1)


def train(path, compiled, **changes):
    net = EncoderNet()
    fit = make_fit(path, net, optimizer=_sgd, **changes)
    cpu_trainer(precision="32-true", compiled=compiled).fit(fit)
    return net, fit


def test_trains_as_without_and_saves_the_same_names(tmp_path, monkeypatch):
    calls = []
    real = nn.Module.compile

    def counted(module, **options):
        calls.append((type(module), options))
        real(module, backend="aot_eager", **options)  # all of torch.compile but for the C++

    compile_function = partial(torch.compile, backend="eager")
    monkeypatch.setattr(nn.Module, "compile", counted)
    monkeypatch.setattr(compilation.torch, "compile", compile_function)
    plain, _ = train(tmp_path / "plain", compiled=False, num_epochs=1)
    assert calls == []
    net, fit = train(tmp_path / "compiled", compiled=True, num_epochs=1)
    assert calls == [(TinyEncoder, {"dynamic": False})]
    expected, found = plain.state_dict(), torch.load(fit.folder.model)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert torch.allclose(found[name], value, atol=1e-5), name
    assert not same_states(expected, EncoderNet().state_dict())
    assert same_states(copy.deepcopy(net).state_dict(), found)
    assert net.encoder._compiled_call_impl is None  # evaluation, and its timing, is plain again


def test_an_objective_without_an_encoder(tmp_path):
    with pytest.raises(UserError) as error:
        cpu_trainer(compiled=True).prepare(make_fit(tmp_path / "run"))
    assert str(error.value) == (
        "Hardware.compiled is True, but TinyNet has no encoder to compile: bind False."
    )


def test_a_machine_without_a_compiler(tmp_path, monkeypatch):
    def refuse(function):
        raise RuntimeError("no g++ here\ntrace")

    monkeypatch.setattr(compilation.torch, "compile", refuse)
    with pytest.raises(UserError) as error:
        cpu_trainer(compiled=True).prepare(make_fit(tmp_path / "run", EncoderNet()))
    assert str(error.value) == (
        "torch.compile failed on this machine (RuntimeError: no g++ here): install a C++ compiler "
        "such as g++, or bind Hardware.compiled = False."
    )
