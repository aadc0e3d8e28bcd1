import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.errors import UserError
from fewshot.training.monitor import Monitor, with_ties


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


def test_state_goes_on():
    monitor = Monitor("validation/top1", 2)
    for epoch, value in enumerate((0.5, 0.4), 1):
        monitor.update(value, epoch)
    other = Monitor("validation/top1", 2)
    other.load_state_dict(monitor.state_dict())
    assert not other.exhausted
    other.update(0.3, 3)
    assert other.exhausted and other.standing.best_epoch == 1


def test_ties_are_broken_by_the_loss_and_the_rest_goes_on_from_a_state():
    losses = (0.6, 0.3, 0.4, 0.1)
    monitor = Monitor("validation/top1", 4)
    kept = []
    for epoch, loss in enumerate(losses, 1):
        again = Monitor("validation/top1", 4)
        again.load_state_dict(monitor.state_dict())
        monitor = again
        kept.append(monitor.update(1.0, epoch, loss))
    assert kept == [True, True, False, True]
    assert monitor.standing.without_progress == 3  # a tie is no progress
    assert monitor.chosen(4) == (
        "model.mdl is that of epoch 4, by validation/top1 1.0000 (4 epochs tie; least loss)"
    )


def test_without_a_loss_the_first_of_ties_stays():
    monitor = Monitor("validation/top1", None)
    assert [monitor.update(0.5, 1), monitor.update(0.5, 2, 0.1)] == [True, False]
    told = "model.mdl is that of epoch 1, by validation/top1 0.5000 (2 epochs tie; the first)"
    assert monitor.chosen(2) == told
    assert Monitor("last", None).chosen(3) == "model.mdl is that of epoch 3, the last"


def test_a_loss_that_is_not_finite_breaks_no_tie():
    monitor = Monitor("validation/top1", None)
    assert [monitor.update(0.5, e, x) for e, x in ((1, 2.0), (2, float("nan")))] == [True, False]


def test_a_state_of_before_ties_were_counted_is_read():
    older = {"best_value": 0.5, "best_epoch": 2, "without_progress": 1}
    monitor = Monitor("validation/top1", None)
    monitor.load_state_dict(with_ties({"monitor": older})["monitor"])
    assert not monitor.update(0.5, 4, 0.1)  # nothing to compare its loss with
    assert (monitor.standing.best_epoch, monitor.standing.tied) == (2, 2)


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
