from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from fewshot.training.agreement import AgreedStop
from fewshot.training.parting import parting


@pytest.fixture
def alone():
    """A process group of this process alone, which its test may have left."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


def test_who_was_met_inside_is_left_at_the_end():
    with parting():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    assert not dist.is_initialized()


def test_who_was_met_before_is_not_left(alone):
    with parting():
        pass
    assert dist.is_initialized()


def test_after_an_error_nobody_is_waited_for():
    with pytest.raises(ValueError), parting():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        raise ValueError
    assert dist.is_initialized()
    dist.destroy_process_group()


def test_a_shared_model_holds_on_to_nobody():
    parting()(_share_a_model)()
    assert "pt_gloo_runloop" not in _threads()


def test_an_interrupt_that_all_have_agreed_on_parts_them():
    with pytest.raises(AgreedStop):
        parting()(_share_a_model)(AgreedStop)
    assert not dist.is_initialized()
    assert "pt_gloo_runloop" not in _threads()


def _share_a_model(ends_with: type[BaseException] | None = None) -> None:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    shared = nn.parallel.DistributedDataParallel(nn.Linear(2, 1))
    shared(torch.ones(1, 2)).sum().backward()
    assert "pt_gloo_runloop" in _threads()
    if ends_with is not None:
        raise ends_with


def _threads() -> set[str]:
    """The names of this process's threads, Python's or not."""
    return {path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}
