import logging
import math

import pytest
import torch

from fewshot.objectives.collapse import CollapseGuard, effective_rank, spread

WIDE = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))
POINT = torch.ones(32, 8) + 1e-3 * WIDE


def test_spread_against_pairwise_distances():
    squares = [float((a - b).square().sum()) for a in WIDE for b in WIDE]
    to_centroid = sum(squares) / (2 * 32 * 32)
    norm = float(WIDE.square().sum(1).mean())
    assert float(spread(WIDE)) == pytest.approx(math.sqrt(to_centroid / norm), rel=1e-5)
    assert float(spread(100 * WIDE)) == pytest.approx(float(spread(WIDE)))


def test_spread_at_its_ends():
    assert float(spread(torch.ones(5, 3))) == 0
    assert float(spread(torch.zeros(5, 3))) == 0
    assert float(spread(torch.tensor([[1.0, 0], [-1, 0]]))) == 1


def test_effective_rank_against_the_definition():
    values = torch.linalg.svdvals(WIDE - WIDE.mean(0)).tolist()
    shares = [value / sum(values) for value in values]
    entropy = -sum(share * math.log(share) for share in shares)
    assert float(effective_rank(WIDE)) == pytest.approx(math.exp(entropy), rel=1e-4)


def test_effective_rank_of_a_line_a_cross_and_a_point():
    steps = torch.arange(-4.0, 5.0)
    line = torch.stack([steps, 2 * steps, -steps], dim=1)
    assert float(effective_rank(line)) == pytest.approx(1, abs=1e-3)
    cross = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    assert float(effective_rank(cross)) == pytest.approx(2, abs=1e-4)
    assert float(effective_rank(torch.full((4, 3), 0.1))) == 0
    assert math.isnan(effective_rank(torch.full((4, 3), math.nan)))


def watch(guard, losses_and_embeddings):
    found = []
    for loss, rows in losses_and_embeddings:
        found.append(guard.observe(torch.tensor(loss), rows))
        guard.step_done(rows.shape[1])
    return found


def test_collapse_is_named_with_figures_and_remedy(caplog):
    guard = CollapseGuard(margin=0.2, window=5)
    with caplog.at_level(logging.WARNING, logger="fewshot"):
        watch(guard, [(0.2, POINT)] * 4)
        assert not caplog.records
        watch(guard, [(0.2, POINT)])
        assert len(caplog.records) == 1  # as soon as the window is full
        watch(guard, [(0.2, POINT)] * 20)
    (record,) = caplog.records  # once, not at every window
    message = record.getMessage()
    assert message.startswith(
        "the embedding has collapsed: over the last 5 steps the loss was 0.2 (margin 0.2), the "
        "spread of the embedding 0.001, its effective rank "
    )
    assert "Lower the optimizer's lr" in message
    assert "TripletNet.miner = @SemiHard" in message


def test_a_loss_at_the_margin_is_named_though_the_embedding_is_spread(caplog):
    guard = CollapseGuard(margin=0.2, window=5)
    watch(guard, [(0.199, WIDE)] * 6)
    assert "the loss sits at the margin: over the last 5 steps the loss was 0.199" in caplog.text
    assert "smaller margin of the loss" in caplog.text


def test_healthy_training_is_left_alone(caplog):
    watch(CollapseGuard(margin=0.2, window=5), [(0.1, WIDE)] * 20)
    watch(CollapseGuard(margin=None, window=5), [(0.2, WIDE)] * 20)
    assert not caplog.records


def test_it_warns_again_after_a_recovery(caplog):
    guard = CollapseGuard(margin=0.2, window=2)
    watch(guard, [(0.2, POINT)] * 4 + [(0.1, WIDE)] * 4 + [(0.2, POINT)] * 4)
    assert len(caplog.records) == 2


def test_figures_are_logged_and_the_rank_holds_for_the_window():
    guard = CollapseGuard(margin=None, window=3)
    logs = watch(guard, [(0.1, WIDE), (0.1, POINT), (0.1, POINT), (0.1, POINT[:, :2])])
    ranks = [float(log["effective_rank"]) for log in logs]
    assert ranks[0] == ranks[1] == ranks[2] == pytest.approx(float(effective_rank(WIDE)))
    assert ranks[3] == pytest.approx(float(effective_rank(POINT[:, :2])))
    assert float(logs[1]["spread"]) == pytest.approx(float(spread(POINT)))


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_resumed_guard_warns_at_the_same_step(cut, caplog, tmp_path):
    steps = [(0.1, WIDE)] * 4 + [(0.2, POINT)] * 9

    def run(guard, part):
        caplog.clear()
        return len(watch(guard, part)), [record.getMessage() for record in caplog.records]

    whole = CollapseGuard(margin=0.2, window=4)
    _, expected = run(whole, steps)
    first = CollapseGuard(margin=0.2, window=4)
    _, before = run(first, steps[:cut])
    torch.save(first.state_dict(), tmp_path / "guard.ckpt")
    second = CollapseGuard(margin=0.2, window=4)
    second.load_state_dict(torch.load(tmp_path / "guard.ckpt", weights_only=True))
    _, after = run(second, steps[cut:])
    assert before + after == expected
    assert len(expected) == 1
    for key, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[key])
