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
