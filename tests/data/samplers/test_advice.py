import numpy as np
import pytest

from fewshot.data.samplers.advice import advise_steps
from fewshot.data.samplers.structured import BalancedBatches, Episodes
from fewshot.data.samplers.unstructured import ShuffledBatches

LABELS = np.arange(160) % 2


@pytest.fixture
def said(caplog):
    caplog.set_level("INFO", "fewshot")

    def advice(sampler, num_epochs):
        caplog.clear()
        advise_steps(sampler, num_epochs)
        return caplog.messages

    return advice


def test_a_run_of_few_steps_is_told_what_gives_more(said):
    assert said(ShuffledBatches(LABELS, "ab", 0, batch_size=128), 5) == [
        "an epoch has 1 step, the run 5 steps: hardly anything is learned in so few. Lower "
        "ShuffledBatches.batch_size, e.g. to 16, or raise main.num_epochs (now 5)."
    ]


@pytest.mark.parametrize(
    ("sampler", "remedy"),
    [
        (BalancedBatches(LABELS, "ab", 0, 2, 16, 3), "Raise BalancedBatches.batches_per_epoch"),
        (Episodes(LABELS, "ab", 0, 2, 1, 1, 4), "Raise Episodes.episodes_per_epoch"),
    ],
)
def test_the_remedy_is_the_samplers_own(said, sampler, remedy):
    [told] = said(sampler, 2)
    assert remedy in told


def test_enough_steps_are_not_spoken_of(said):
    assert not said(ShuffledBatches(LABELS, "ab", 0, batch_size=16), 5)  # ten an epoch
    assert not said(ShuffledBatches(LABELS, "ab", 0, batch_size=128), 100)
    assert not said(None, 0)
