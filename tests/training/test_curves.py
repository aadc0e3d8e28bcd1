import resource
import threading

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fewshot.training.curves import Curves


def test_points_and_pictures_are_there_at_once(tmp_path):
    curves = Curves(tmp_path / "tensorboard")
    curves.add_scalar("train/loss", 0.5, 3)
    curves.add_image("embedding", np.zeros((4, 6, 3), np.uint8), 9)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(3, 0.5)]
    (picture,) = events.Images("embedding")
    assert (picture.width, picture.height, picture.step) == (6, 4, 9)
    curves.close()
    curves.add_scalar("train/loss", 0.25, 4)
    curves.close()
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2


def test_a_folder_that_cannot_be_made_is_one_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("x")
    curves = Curves(tmp_path / "file" / "tensorboard")
    for step in range(3):
        curves.add_scalar("train/loss", 0.5, step)
    curves.close()
    assert caplog.text.count("file/tensorboard cannot be written (Not a directory)") == 1


def test_a_file_that_takes_no_more_is_one_warning(tmp_path, caplog):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    curves = Curves(tmp_path / "tensorboard")
    curves.add_scalar("train/loss", 0.5, 0)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
        for step in range(3):
            curves.add_scalar("train/loss", 0.5, step)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    curves.close()
    assert caplog.text.count("cannot be written (File too large)") == 1


@pytest.mark.parametrize("many", [1, 20])
def test_no_thread_is_left(tmp_path, many):
    before = threading.active_count()
    curves = Curves(tmp_path / "tensorboard")
    for step in range(many):
        curves.add_scalar("train/loss", 0.5, step)
    assert threading.active_count() == before
    curves.close()
