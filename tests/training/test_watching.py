import warnings

import pytest
import torch
from torch import nn

from fewshot.training.watching import watched

CARD = torch.device("cuda")
# what torch says: the first when waiting is first watched for in a process, the second of a step
FIRST = (
    "Synchronization debug mode is a prototype feature and does not yet detect all synchronizing"
)
WAITED = "called a synchronizing CUDA operation"


@pytest.mark.parametrize(("said", "found"), [("", []), (WAITED, ["it waits for the device"])])
def test_a_step_waits_for_a_card_where_torch_says_so_of_an_operation(monkeypatch, said, found):
    modes, reasons = [], []

    def set_mode(mode):
        modes.append(mode)
        if mode == "warn":
            warnings.warn(FIRST, UserWarning, stacklevel=1)

    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", set_mode)
    with watched(nn.Linear(1, 1), CARD, reasons):
        if said:
            warnings.warn(said, UserWarning, stacklevel=1)
    assert reasons == found
    assert modes == ["warn", 0]
