import numpy as np
import pytest
import torch
from scipy.special import softmax

from fewshot.heads.described import described
from fewshot.heads.knn import KNN
from fewshot.heads.logistic_regression import LogisticRegression
from fewshot.heads.probabilities import probabilities
from fewshot.heads.transductive.bd_cspn import BDCSPN


def test_logits_become_their_softmax_at_a_temperature():
    scores = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    for temperature in (0.5, 1.0, 3.0):
        found = probabilities(scores, temperature)
        expected = softmax(scores.double().numpy() / temperature, axis=1)
        np.testing.assert_allclose(found.numpy(), expected)


def test_shares_of_votes_are_probabilities_already():
    shares = torch.tensor([[0.6, 0.4 + 1e-9, -torch.inf], [0.0, 1.0, -torch.inf]])
    torch.testing.assert_close(
        probabilities(shares, shares=True),
        torch.tensor([[0.6, 0.4, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64),
    )
    squared = probabilities(shares, 0.5, shares=True)
    assert float(squared[0, 0]) == pytest.approx(0.36 / (0.36 + 0.16))


def test_a_head_is_described_by_its_registered_name_and_options():
    assert described(LogisticRegression(2.0)) == {
        "name": "LogisticRegression",
        "arguments": {"c": 2.0, "class_balanced": False},
    }
    again = KNN(**described(KNN(3, class_balanced=True))["arguments"])
    assert again == KNN(3, class_balanced=True)


def test_a_head_that_cannot_be_made_again_is_not_described():
    assert described(BDCSPN()) is None
    assert described(lambda support, labels, query, n: query) is None
