import threading
import time

import numpy as np
import pytest
import torch

from fewshot.evaluation import few_shot_scores
from fewshot.evaluation.episodes import draw_episodes
from fewshot.evaluation.few_shot_scores import score_episodes
from fewshot.evaluation.threads import in_threads, single_threaded_operations
from fewshot.heads.logistic_regression import LogisticRegression
from tests.evaluation.test_episodes import pool

CPU = torch.device("cpu")


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_parts_are_computed_together_in_order_each_by_one_thread(three_threads):
    together = threading.Barrier(3, timeout=20)

    def compute(part):
        together.wait()  # passes only if three parts are under way at once
        time.sleep(0.01 * (3 - part))
        return part, torch.get_num_threads(), torch.is_inference_mode_enabled()

    assert in_threads(compute, range(3), CPU) == [(n, 1, True) for n in range(3)]
    assert torch.get_num_threads() == 3


def test_the_number_of_threads_comes_back_after_an_error(three_threads):
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda part: 1 // part, [1, 0], CPU)
    assert torch.get_num_threads() == 3
    with single_threaded_operations():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


def test_scores_do_not_depend_on_the_number_of_threads(three_threads, monkeypatch):
    monkeypatch.setattr(few_shot_scores, "_CELLS", 2000)
    images = pool([12] * 5)
    features = torch.randn(60, 16, generator=torch.Generator().manual_seed(0))
    episodes = draw_episodes(images, 4, 3, 5, 50, 0)
    found = []
    for threads in (3, 1):
        torch.set_num_threads(threads)
        found.append(score_episodes(LogisticRegression(), features, episodes, 5))
    np.testing.assert_array_equal(found[0].accuracies, found[1].accuracies)
    for field in ("true", "predicted", "counts"):
        np.testing.assert_array_equal(*(getattr(one.confusions, field) for one in found))
