import json
import math

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.training.final_figures import log_final, log_pictures
from fewshot.training.tracking import MetricsLog, epoch_line, scalars


@pytest.fixture
def folder(tmp_path):
    folder = ExperimentFolder(tmp_path / "run")
    folder.create()
    return folder


def _events(folder):
    events = EventAccumulator(str(folder.tensorboard))
    events.Reload()
    return {
        tag: [(event.step, pytest.approx(event.value)) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_a_full_disk_is_said(folder):
    folder.metrics.symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"metrics\.jsonl cannot be written \(No space left"):
        MetricsLog(folder).record("train", 1, 4, 0.1, {"loss": 0.5})


def test_rows_are_json_with_nan_as_null(folder):
    log = MetricsLog(folder)
    log.record("train", 1, 4, 0.12345, {"loss": 0.5, "ratio": math.nan})
    log.record("validation", 1, 4, 0.2, {"shots": {"mean": 0.6, "ci95": 0.1}})
    log.close()
    lines = folder.metrics.read_text().splitlines()
    assert json.loads(lines[0]) == {
        "split": "train",
        "epoch": 1,
        "step": 4,
        "seconds": 0.123,
        "loss": 0.5,
        "ratio": None,
    }
    assert log.rows() == [json.loads(line) for line in lines]
    assert _events(folder) == {"train/loss": [(4, 0.5)], "validation/shots": [(4, 0.6)]}


def test_a_row_is_there_at_once(folder):
    log = MetricsLog(folder)
    log.record("train", 1, 4, 0.1, {"loss": 0.5})
    assert len(MetricsLog(folder).rows()) == 1
    log.close()


def test_cutting_back_makes_both_agree(folder):
    log = MetricsLog(folder)
    log.record("train", 1, 4, 0.1, {"loss": 0.5})
    position, _ = log.position()
    log.record("train", 2, 8, 0.2, {"loss": 0.4})
    log.close()
    with folder.metrics.open("a") as file:
        file.write('{"split": "tra')  # killed while writing
    again = MetricsLog(folder)
    again.cut_back(position)
    again.record("train", 2, 8, 0.3, {"loss": 0.3})
    again.close()
    assert [row["loss"] for row in again.rows()] == [0.5, 0.3]
    assert _events(folder) == {"train/loss": [(4, 0.5), (8, 0.3)]}
    assert len(list(folder.tensorboard.iterdir())) == 1


DAMAGES = [
    lambda text: text[:-20],
    lambda text: text.replace('"epoch": 1', '"epoch": "one"'),
    lambda text: text.replace("{", "[", 1),
    lambda text: "\x00" + text,
    lambda text: "[" * 100_000 + "\n" + text,
    lambda text: text.replace("split", "spilt", 1),
    lambda text: "7\n" + text,
    lambda text: "",
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_lines_that_cannot_be_read_are_left_out_and_that_is_said(folder, caplog, damage):
    log = MetricsLog(folder)
    for epoch in (1, 2):
        log.record("train", epoch, 4 * epoch, 0.1, {"loss": 0.5})
    position, _ = log.position()
    log.close()
    folder.metrics.write_text(damage(folder.metrics.read_text()))
    again = MetricsLog(folder)
    assert all(row["split"] == "train" for row in again.rows())
    again.cut_back(position)
    assert "metrics.jsonl is damaged" in caplog.text
    assert [json.loads(line) for line in folder.metrics.read_text().splitlines()] == again.rows()
    again.record("train", 3, 12, 0.1, {"loss": 0.5})
    assert again.rows()[-1]["epoch"] == 3
    again.close()


def test_a_digit_that_was_changed_is_said(folder, caplog):
    log = MetricsLog(folder)
    log.record("train", 1, 4, 0.1, {"loss": 0.5})
    position, crc = log.position()
    log.record("train", 2, 8, 0.1, {"loss": 0.4})  # after the checkpoint: not its own
    log.cut_back(position, crc)
    assert not caplog.text
    folder.metrics.write_text(folder.metrics.read_text().replace("0.5", "0.6"))
    log.cut_back(position, crc)
    assert "metrics.jsonl was changed since it was written" in caplog.text
    log.close()


def test_cutting_back_to_nothing(folder):
    log = MetricsLog(folder)
    assert log.position() == (0, 0) and log.rows() == []
    log.cut_back(0)
    log.record("train", 1, 4, 0.1, {"loss": 0.5})
    log.cut_back(0)
    assert log.rows() == [] and not folder.tensorboard.exists()


def test_pictures(folder, tmp_path):
    Image.new("L", (8, 6), 200).save(tmp_path / "matrix.png")
    log = MetricsLog(folder)
    log.add_image("confusion_matrix", tmp_path / "matrix.png", step=3)
    log.close()
    events = EventAccumulator(str(folder.tensorboard))
    events.Reload()
    (image,) = events.Images("confusion_matrix")
    assert (image.step, image.width, image.height) == (3, 8, 6)


def test_a_finished_run_adds_its_test_point_and_the_pictures_that_are_whole(folder):
    log = MetricsLog(folder)
    log.record("train", 1, 4, 0.1, {"loss": 0.5})
    log.close()
    log_final(folder, {"epochs": 1, "best_epoch": 1, "test": {"top1": 0.75}})
    Image.new("L", (8, 6), 200).save(folder.path / "matrix.png")
    (folder.path / ".curves.part.png").write_text("half")
    log_pictures(folder)
    assert MetricsLog(folder).rows()[-1]["top1"] == 0.75
    events = EventAccumulator(str(folder.tensorboard))
    events.Reload()
    assert events.Tags()["images"] == ["matrix"]


def test_ranks_that_do_not_write(folder, tmp_path):
    log = MetricsLog(ExperimentFolder(folder.path, writes=False))
    log.record("train", 1, 4, 0.1, {"loss": 0.5})
    log.cut_back(0)
    log.add_image("a", tmp_path / "none.png")
    assert [path.name for path in folder.path.iterdir()] == [".lock"]


def test_scalars_are_flat_and_numeric():
    figures = {
        "top1": 0.5,
        "n": 10,
        "note": "text",
        "absent": None,
        "seen": {"top1": 0.6, "deep": {"er": 1}},
        "shots": {"mean": 0.7, "ci95": 0.1, "n": 600},
    }
    assert scalars(figures) == {
        "top1": 0.5,
        "n": 10.0,
        "seen/top1": 0.6,
        "seen/deep/er": 1.0,
        "shots": 0.7,
    }


def test_epoch_line():
    line = epoch_line({"train": {"loss": 0.123456}, "validation": {"n": 5, "top1": 0.5}})
    assert line == "train  loss 0.1235  validation  top1 0.5"
