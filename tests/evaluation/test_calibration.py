import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax
from torchmetrics.functional.classification import multiclass_calibration_error

from fewshot.evaluation.calibration import BINS, fitted_temperature, reliability
from fewshot.heads.probabilities import probabilities


def drawn(n=400, classes=5, scale=3.0, seed=0):
    """Logits that are `scale` times too sure of labels drawn from them."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, classes))
    truth = [generator.choice(classes, p=row) for row in softmax(logits, axis=1)]
    return torch.from_numpy(logits * scale), torch.tensor(truth)


@pytest.mark.parametrize("scale", [0.2, 3.0, 400.0])
def test_the_temperature_is_where_the_loss_has_no_slope(scale):
    scores, truth = drawn(scale=scale)
    logits, labels = scores.numpy(), truth.numpy()

    def slope(beta):  # of the loss, by 1 / temperature
        expected = (softmax(beta * logits, axis=1) * logits).sum(1)
        return float((expected - logits[np.arange(len(labels)), labels]).mean())

    best = 1 / brentq(slope, 1e-4 / scale, 10 / scale)
    assert fitted_temperature(scores, truth) == pytest.approx(best, rel=1e-4)
    assert best == pytest.approx(scale, rel=0.2)


def test_the_temperature_of_votes():
    generator = np.random.default_rng(0)
    shares = torch.from_numpy(generator.dirichlet(np.ones(4) * 3, 500))
    truth = torch.tensor([generator.choice(4, p=row**2 / (row**2).sum()) for row in shares.numpy()])
    found = fitted_temperature(shares, truth, shares=True)
    assert found == pytest.approx(0.5, rel=0.2)

    def loss(temperature):
        rows = np.arange(len(truth))
        return -probabilities(shares, temperature, shares=True).log().numpy()[rows, truth].mean()

    assert loss(found) <= min(loss(found * 1.01), loss(found * 0.99))


def test_classes_that_are_no_answer_are_left_out():
    scores, truth = drawn()
    closed = torch.cat([scores, torch.full((len(scores), 1), -torch.inf)], dim=1)
    assert fitted_temperature(closed, truth) == pytest.approx(fitted_temperature(scores, truth))
    assert fitted_temperature(closed, torch.full_like(truth, 5)) is None


@pytest.mark.parametrize("shares", [False, True])
def test_rows_without_a_mistake_tell_no_temperature(shares):
    scores = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]])
    assert fitted_temperature(scores, torch.tensor([0, 1]), shares) is None
    assert fitted_temperature(scores, torch.tensor([0, 2]), shares) > 0


def test_the_calibration_error_equals_a_loop_and_torchmetrics():
    scores, truth = drawn()
    chances = softmax(scores.numpy(), axis=1)
    confidence, right = chances.max(1), chances.argmax(1) == truth.numpy()
    found = reliability(confidence, right)
    error = 0.0
    for k in range(BINS):
        inside = (confidence >= k / BINS) & (confidence < (k + 1) / BINS)
        assert found.rows[k] == inside.sum()
        if inside.any():
            assert found.right[k] == pytest.approx(right[inside].mean())
            assert found.confidence[k] == pytest.approx(confidence[inside].mean())
            error += abs(right[inside].mean() - confidence[inside].mean()) * inside.mean()
    assert found.error == pytest.approx(error)
    theirs = multiclass_calibration_error(
        torch.from_numpy(chances), truth, num_classes=5, n_bins=BINS
    )
    assert found.error == pytest.approx(float(theirs), abs=1e-6)


def test_sure_and_right_is_calibrated():
    found = reliability(np.ones(3), np.ones(3, dtype=bool))
    assert (found.error, found.rows[-1]) == (0.0, 3)
    assert np.isnan(found.right[:-1]).all()


def test_the_temperature_lessens_the_error_and_the_loss():
    scores, truth = drawn(n=2000)
    found = fitted_temperature(scores, truth)
    errors, losses = [], []
    for temperature in (1.0, found):
        chances = probabilities(scores, temperature)
        confidence, best = chances.max(1)
        errors.append(reliability(confidence.numpy(), (best == truth).numpy()).error)
        rows = np.arange(len(truth))
        losses.append(-log_softmax(scores.numpy() / temperature, 1)[rows, truth].mean())
    assert errors[1] < 0.04 < errors[0]
    assert losses[1] < losses[0]
    assert math.isfinite(found)
