import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.errors import UserError
from fewshot.training.monitor import Monitor


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.sampled_from(["top1", "loss"]))
def test_best_is_the_first_extreme(values, name):
    monitor = Monitor(f"validation/{name}", None)
    bests = [e for e, v in enumerate(values, 1) if monitor.update(v, e)]
    extreme = min(values) if name == "loss" else max(values)
    assert monitor.standing.best_value == extreme
    assert monitor.standing.best_epoch == bests[-1] == values.index(extreme) + 1
    assert monitor.standing.without_progress == len(values) - bests[-1]
    assert not monitor.exhausted


def test_of_equals_the_one_of_the_least_loss_is_kept_and_patience_does_not_mind(caplog):
    caplog.set_level("INFO", "fewshot")
    monitor = Monitor("validation/top1", 3)
    epochs = [(0.9, 0.1), (1.0, 0.6), (1.0, 0.7), (1.0, 0.2), (0.8, 0.1)]
    figures = [{"validation/top1": top1, "validation/loss": loss} for top1, loss in epochs]
    kept = [
        monitor.update(monitor.figure(found, epoch), epoch, monitor.loss(found))
        for epoch, found in enumerate(figures, 1)
    ]
    assert kept == [True, True, False, True, False]
    assert monitor.exhausted
    monitor.tell()
    assert caplog.messages == [
        "the model of epoch 4 is kept: validation/top1 1.0000, that of the least loss of 3 epochs "
        "with this value"
    ]


def test_without_losses_the_first_of_equals_is_kept(caplog):
    caplog.set_level("INFO", "fewshot")
    monitor = Monitor("validation/knn/top1", None)
    assert monitor.loss({"validation/loss": float("nan"), "train/loss": 1.0}) is None
    assert [monitor.update(0.5, epoch, None) for epoch in (1, 2)] == [True, False]
    monitor.tell()
    assert caplog.messages == [
        "the model of epoch 1 is kept: validation/knn/top1 0.5000, the first of 2 epochs with this "
        "value"
    ]
    last = Monitor("last", None)
    last.tell()
    assert len(caplog.messages) == 1, "there was no choice"


def test_state_goes_on():
    monitor = Monitor("validation/top1", 2)
    for epoch, value in enumerate((0.5, 0.4), 1):
        monitor.update(value, epoch)
    other = Monitor("validation/top1", 2)
    other.load_state_dict(monitor.state_dict())
    assert not other.exhausted
    other.update(0.3, 3)
    assert other.exhausted and other.standing.best_epoch == 1


def test_last_follows_the_training_loss():
    monitor = Monitor("last", None)
    assert monitor.mode == "min"
    assert monitor.figure({"train/loss": 2.0}, 1) == 2.0


def test_an_unknown_figure_lists_those_there_are():
    with pytest.raises(UserError) as caught:
        Monitor("validation/top9", None).figure({"validation/top1": 0.5, "train/loss": 1.0}, 1)
    assert str(caught.value) == (
        "main.select_by is 'validation/top9', but the figures there are: train/loss, "
        "validation/top1. Bind one of them, or 'last'."
    )
