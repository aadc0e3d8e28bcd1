"""Votes of references that an index found, which may be fewer than were asked for."""

import pytest
import torch

from fewshot.heads.found import NO_ROW, Nearest
from fewshot.heads.votes import votes


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("class_balanced", [False, True])
def test_a_neighbour_that_is_missing_votes_for_nothing(weights, class_balanced):
    labels = torch.tensor([-1, 1, 1, 2], dtype=torch.int32)  # the first does not vote
    found = Nearest(
        torch.tensor([[0.1, torch.inf], [torch.inf, torch.inf]]),
        torch.tensor([[3, -1], [-1, -1]]),
        torch.tensor([[torch.inf, 9.0, 0.1], [torch.inf, 9.0, 9.0]]),
        torch.tensor([[NO_ROW, 1, 3], [NO_ROW, 1, 3]]),
    )
    scores = votes(found, labels, weights, "euclidean", class_balanced)
    assert not scores.isnan().any()
    assert scores[:, 0].isinf().all(), "a class without references"
    assert scores[0, 1:].tolist() == pytest.approx([0, 1], abs=1e-8)
    assert scores[1, 1:].tolist() == pytest.approx([0, 0], abs=1e-8)
