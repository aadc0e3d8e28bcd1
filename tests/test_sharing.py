import torch

from fewshot import sharing
from fewshot.sharing import Share


def test_what_is_gathered_stands_as_in_one_process_view_by_view(monkeypatch):
    monkeypatch.setattr(sharing.dist, "all_reduce", lambda total: total.mul_(1))
    rows = torch.arange(5)
    share = Share(torch.tensor([1, 4]), None, rows, rows[:, None])
    values = torch.tensor([[1.0], [2.0], [10.0], [20.0]], requires_grad=True)
    whole = share.gather(values)
    assert whole.flatten().tolist() == [0, 1, 0, 0, 2, 0, 10, 0, 0, 20]
    (whole.flatten() * torch.arange(10)).sum().backward()
    assert values.grad.flatten().tolist() == [1, 4, 6, 9]
    assert share.gather(torch.tensor([3, 7])).tolist() == [0, 3, 0, 0, 7]


def test_halves_are_added_up_in_float32(monkeypatch):
    seen = []
    monkeypatch.setattr(sharing.dist, "all_reduce", lambda total: seen.append(total.dtype))
    assert sharing.summed(torch.ones(2, dtype=torch.bfloat16)).dtype == torch.bfloat16
    assert seen == [torch.float32]
