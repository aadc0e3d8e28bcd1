import gin
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fewshot.batch import DataSpec
from fewshot.errors import UserError
from fewshot.objectives.long_tail import BalancedSoftmax
from fewshot.objectives.transfer_net import TransferNet
from tests.objectives.toy import ToyEncoder

COUNTS = (90, 9, 1)


def test_it_is_the_definition_of_the_balanced_softmax():
    scores, targets = torch.randn(5, 3), torch.tensor([0, 1, 2, 2, 0])
    weighted = np.array(COUNTS) * np.exp(scores.numpy())
    chances = weighted / weighted.sum(1, keepdims=True)
    expected = -np.log(chances[np.arange(5), targets.numpy()]).mean()
    assert BalancedSoftmax(COUNTS)(scores, targets).item() == pytest.approx(expected, rel=1e-5)


def test_without_tau_it_is_cross_entropy_of_labels_and_of_shares():
    scores, targets = torch.randn(5, 3), torch.tensor([0, 1, 2, 2, 0])
    loss = BalancedSoftmax(COUNTS, tau=0.0, label_smoothing=0.1)
    for given in (targets, F.one_hot(targets, 3).float()):
        expected = F.cross_entropy(scores, given, label_smoothing=0.1)
        torch.testing.assert_close(loss(scores, given), expected)


def test_scores_learned_from_chance_alone_take_all_classes_for_alike():
    """Where images tell nothing, plain scores learn the shares, and balanced ones learn nothing."""
    targets = torch.arange(3).repeat_interleave(torch.tensor(COUNTS))
    scores = torch.zeros(3, requires_grad=True)
    BalancedSoftmax(COUNTS)(scores.expand(100, 3), targets).backward()
    torch.testing.assert_close(scores.grad, torch.zeros(3), atol=1e-6, rtol=0)


def test_the_objective_tells_it_the_counts_and_stores_none_of_it():
    spec = DataSpec(("a", "b", "c"), 3, (8, 6), (0.5,) * 3, (0.5,) * 3, 100, class_counts=COUNTS)
    gin.bind_parameter("BalancedSoftmax.tau", 2.0)
    objective = TransferNet(spec, encoder=ToyEncoder, loss=gin.get_configurable("BalancedSoftmax"))
    expected = 2 * torch.tensor([0.9, 0.09, 0.01]).log()
    torch.testing.assert_close(objective.loss.adjustment, expected)
    assert not [name for name in objective.state_dict() if name.startswith("loss")]


def test_what_cannot_be_balanced_is_refused():
    with pytest.raises(UserError, match=r"BalancedSoftmax\.tau is -1"):
        BalancedSoftmax(COUNTS, tau=-1)
    for counts in ((), (3, 0)):
        with pytest.raises(UserError, match="number of training rows of every class"):
            BalancedSoftmax(counts)
