import pytest
import torch
from easyfsl.methods import MatchingNetworks
from torch import nn

from fewshot.heads.matching import MatchingAttention, matching_attention
from tests.heads.test_heads import episodes


class NoContext(nn.Module):
    """In place of easyfsl's two recurrent encoders: adds nothing to the features."""

    def forward(self, features, state=None):
        if state is None:
            return features.new_zeros(*features.shape[:-1], 2 * features.shape[-1]), None
        return torch.zeros_like(state[0]), state[1]


def test_scores_agree_with_easyfsl():
    support, labels, query, _ = episodes()
    reference = MatchingNetworks(
        feature_dimension=10, support_encoder=NoContext(), query_encoder=NoContext()
    )
    for i in range(3):
        reference.process_support_set(support[i], labels[i])
        reference.one_hot_support_labels = reference.one_hot_support_labels.double()
        found = matching_attention(support[i], labels[i], query[i], 4)
        torch.testing.assert_close(found, reference(query[i]), rtol=0, atol=1e-6)


def test_scores_are_the_definition():
    support, labels, query, _ = episodes(n=1, way=3, shot=2, n_query=2)
    found = matching_attention(support[0], labels[0], query[0], 3)
    for i, one in enumerate(query[0]):
        weights = [float((one @ other / other.norm()).exp()) for other in support[0]]
        for label in range(3):
            own = sum(w for w, c in zip(weights, labels[0], strict=True) if c == label)
            expected = torch.tensor(own / sum(weights) + 1e-6).log()
            assert found[i, label].item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_batch_of_episodes_equals_single_ones_and_a_class_without_support_is_last():
    support, labels, query, truth = episodes()
    together = MatchingAttention()(support, labels, query, 5)
    for i in range(3):
        alone = MatchingAttention()(support[i], labels[i], query[i], 5)
        torch.testing.assert_close(together[i], alone)
    assert (together.argmin(-1) == 4).all()
    assert (together.argmax(-1) == truth).double().mean() > 0.9
