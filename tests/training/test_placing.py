import types

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from fewshot.errors import UserError
from fewshot.training.placing import placed
from fewshot.training.shared_norms import SharedBatchNorm
from tests.training.tiny_training import TinyNet


def _fabric(ranks, device="cpu"):
    return types.SimpleNamespace(world_size=ranks, device=torch.device(device))


def _comparing():
    net = TinyNet()
    net.compares_within_batch = True
    return net


def test_comparison_within_a_batch_is_refused_on_several_ranks():
    placed(_comparing(), _fabric(1), False)
    with pytest.raises(UserError) as caught:
        placed(_comparing(), _fabric(2), False)
    assert str(caught.value) == (
        "there are 2 processes, but TinyNet compares the images of a batch with each other and "
        "gathers none (Batch.gather), so that each process would see its own share alone, which is "
        "another method: start one process."
    )


def test_statistics_by_rank_are_said_where_there_are_any(caplog):
    caplog.set_level("INFO", "fewshot")
    placed(nn.Linear(2, 2), _fabric(2), False)
    placed(TinyNet(), _fabric(1), False)
    assert not caplog.text
    placed(TinyNet(), _fabric(2), False)
    assert "(1 BatchNorm layers) are taken by each of 2 processes" in caplog.text


def test_norms_keep_their_names_when_they_are_shared():
    for device in ("cpu", "meta"):
        net = TinyNet()
        names = list(net.state_dict())
        placed(net, _fabric(2, device), True)
        assert isinstance(net.norm, SharedBatchNorm if device == "cpu" else nn.SyncBatchNorm)
        assert list(net.state_dict()) == names


def test_a_norm_that_no_cpu_can_share_is_named():
    net = TinyNet()
    net.norm = BatchNormAct2d(4)
    with pytest.raises(UserError, match="norm is a BatchNormAct2d, which can be synchronised on"):
        placed(net, _fabric(2), True)
