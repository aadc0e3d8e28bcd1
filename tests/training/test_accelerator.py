import subprocess
import sys
import types

import pytest
import torch

from fewshot.errors import UserError
from fewshot.training import accelerator
from fewshot.training.accelerator import computing_in, launch_fabric, stop_peers
from fewshot.training.hardware import Hardware


@pytest.fixture
def apple(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


def test_automatic_is_the_cpu_where_there_is_apples_gpu_alone(apple):
    assert launch_fabric("auto", 1, "32-true").device.type == "cpu"


@pytest.mark.parametrize("word", ["mps", "gpu"])
def test_apples_gpu_is_refused_with_its_reason(apple, word):
    with pytest.raises(UserError, match=f"accelerator is '{word}', but Apple's GPU has no float64"):
        launch_fabric(word, 1, "32-true")


def test_matrix_precision_is_decided_on_a_gpu_before_fabric_is_made(monkeypatch):
    decided = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "set_float32_matmul_precision", decided.append)
    made = types.SimpleNamespace(world_size=1)
    monkeypatch.setattr(accelerator, "_fabric", lambda *words: decided.append(words) or made)
    assert launch_fabric("auto", 1, "32-true") is made
    assert decided == ["high", ("cuda", 1, "32-true", 1)]


def test_float32_is_float32_whatever_was_decided():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with computing_in("32-true", torch.device("cpu")):
            assert torch.get_float32_matmul_precision() == "highest"
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)
    with computing_in("bf16-mixed", torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


@pytest.mark.parametrize("allowed", [True, False])
def test_convolutions_of_a_card_are_float32_as_well(monkeypatch, allowed):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", allowed)
    with computing_in("32-true", torch.device("cpu")):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == allowed


def test_an_evaluation_precision_that_is_none_is_refused():
    with pytest.raises(UserError, match="evaluation_precision is 'exact': bind one of '32-true'"):
        Hardware(accelerator="cpu", evaluation_precision="exact")


WAITING = "import time; print(1, flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(15, signal.SIG_IGN); " + WAITING


def test_no_peer_is_left_behind(monkeypatch):
    monkeypatch.setattr(accelerator.signal, "signal", lambda *_: None)
    codes = {"pass": 0, WAITING: -15, STUBBORN: -9}
    peers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for code in codes
    ]
    for peer in peers:
        peer.stdout.readline()
    stop_peers(peers, patience=0.5)
    assert [peer.poll() for peer in peers] == list(codes.values())
    for peer in peers:
        peer.stdout.close()
