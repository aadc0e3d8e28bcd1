import types

import pytest
import torch
from torch import nn

from fewshot.errors import UserError
from fewshot.training.placing import placed
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
        "Hardware.devices gives 2 processes, but TinyNet compares the images of a batch with each "
        "other, and each process would see its own share alone, which is another method: bind "
        "Hardware.devices = 1."
    )


def test_statistics_by_rank_are_said_where_there_are_any(caplog):
    caplog.set_level("INFO", "fewshot")
    placed(nn.Linear(2, 2), _fabric(2), False)
    placed(TinyNet(), _fabric(1), False)
    assert not caplog.text
    placed(TinyNet(), _fabric(2), False)
    assert "(1 BatchNorm layers) are taken by each of 2 processes" in caplog.text


def test_norms_are_synchronised_on_gpus_alone():
    with pytest.raises(UserError, match="sync_batchnorm is True, which torch has for GPUs alone"):
        placed(TinyNet(), _fabric(2), True)
    net = TinyNet()
    names = list(net.state_dict())
    placed(net, _fabric(2, "meta"), True)
    assert isinstance(net.norm, nn.SyncBatchNorm)
    assert list(net.state_dict()) == names
