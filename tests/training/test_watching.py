import warnings
from collections import deque

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


class Keeping(nn.Module):
    """A full queue, a list, a dictionary, and what is settled."""

    def __init__(self):
        super().__init__()
        self.queue = deque([torch.zeros(1), torch.ones(1)], maxlen=2)
        self.last, self.named = [torch.zeros(1)], {"one": 1.0}
        self.settled = ("a", 2.5, None)


@pytest.mark.parametrize(
    ("does", "found"),
    [
        (lambda module: module.queue.append(torch.ones(1)), ["it changes an attribute (queue)"]),
        (lambda module: module.last.__setitem__(0, 0), ["it changes an attribute (last)"]),
        (lambda module: module.named.update(one=2.0), ["it changes an attribute (named)"]),
        (lambda module: module.queue[0].add_(1), []),  # which a recording would repeat
        (lambda module: setattr(module, "settled", ("a", 2.5, None)), []),
    ],
)
def test_what_a_module_keeps_in_collections_is_seen_to_change(does, found):
    module, reasons = Keeping(), []
    with watched(module, torch.device("cpu"), reasons):
        does(module)
    assert reasons == found
