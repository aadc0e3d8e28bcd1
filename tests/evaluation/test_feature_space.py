import numpy as np
import pytest
import torch

from fewshot.errors import UserError
from fewshot.evaluation.feature_space import FeatureSpace, within_class_whitening


def features(n=400, spread=(3.0, 1.0, 0.1)):
    """Two classes apart along the last axis, whose images differ along the first ones."""
    draws = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % 2
    noise = torch.randn(n, len(spread), generator=draws) * torch.tensor(spread)
    noise[:, -1] += labels * 5
    return noise, labels


def test_differences_within_classes_count_less():
    found, labels = features()
    whitening = within_class_whitening(found, labels, 1e-5)
    placed = found @ whitening
    inner = torch.cat([placed[labels == c] - placed[labels == c].mean(0) for c in (0, 1)])
    covariance = inner.T @ inner / (len(found) - 2)
    assert torch.allclose(covariance, covariance[0, 0] * torch.eye(3), atol=0.2 * covariance[0, 0])


def test_the_formula():
    found, labels = features(n=40)
    inner = torch.cat([found[labels == c] - found[labels == c].mean(0) for c in (0, 1)]).double()
    covariance = inner.T @ inner / 38
    expected = torch.eye(3) + covariance / (5.0 * covariance.diagonal().mean())
    whitening = within_class_whitening(found, labels, 5.0).double()
    torch.testing.assert_close(
        whitening @ whitening @ expected, torch.eye(3).double(), atol=1e-5, rtol=0
    )


def test_much_shrinkage_changes_nothing():
    found, labels = features()
    assert torch.allclose(within_class_whitening(found, labels, 1e9), torch.eye(3), atol=1e-6)


def test_features_are_moved_then_whitened_in_full_precision():
    found, labels = features()
    space = FeatureSpace(found.mean(0), within_class_whitening(found, labels, 5.0))
    with torch.autocast("cpu", torch.bfloat16):
        placed = space.place(found)
    assert placed.dtype == torch.float32
    np.testing.assert_allclose(placed.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.equal(FeatureSpace().place(found), found)


def test_classes_of_one_image_each_say_nothing():
    with pytest.raises(UserError, match=r"whiten needs training rows of which some share a class"):
        within_class_whitening(torch.randn(3, 2), torch.arange(3), 5.0)
