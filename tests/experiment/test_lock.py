import subprocess
import sys

import pytest

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.experiment.lock import NAME, FolderLock, InUseError, is_held

HOLD = """
import sys, time
from pathlib import Path
from fewshot.experiment.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_another_process_is_refused_until_the_holder_is_gone(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="is in use: another process runs or resumes it"):
            FolderLock(tmp_path)
        holder.kill()
    lock = FolderLock(tmp_path)
    assert lock.is_here()
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(UserError, match=r"none cannot be written \(No such file or directory\)"):
        FolderLock(tmp_path / "none")


def _folder(path):
    folder = ExperimentFolder(path)
    folder.create()
    folder.write_text("config.gin", "")
    return folder


def test_a_folder_that_is_in_use_is_not_taken_twice(tmp_path):
    folder = _folder(tmp_path / "run")
    with pytest.raises(UserError, match="is in use"):
        ExperimentFolder.open(tmp_path / "run").lock()
    folder.release()
    again = ExperimentFolder.open(tmp_path / "run")
    again.lock()
    again.release()


@pytest.mark.parametrize("left", [[], [NAME], [NAME, ".config.part.gin"]])
def test_a_name_is_free_until_its_config_is_written(tmp_path, left):
    (tmp_path / "run").mkdir()
    for name in left:
        (tmp_path / "run" / name).write_text("")
    folder = _folder(tmp_path / "run")
    assert {path.name for path in folder.path.iterdir()} == {NAME, "config.gin"}
    folder.release()


def test_what_a_killed_process_left_half_written_goes(tmp_path):
    _folder(tmp_path / "run").release()
    (tmp_path / "run" / ".curves.part.png").write_text("half")
    folder = ExperimentFolder.open(tmp_path / "run")
    folder.lock()
    folder.release()
    assert [path.name for path in folder.path.iterdir()] == ["config.gin"]


@pytest.mark.parametrize("away", ["renamed", "removed", "replaced"])
def test_a_folder_taken_away_is_said(tmp_path, away):
    folder = _folder(tmp_path / "run")
    folder.path.rename(tmp_path / "elsewhere")
    if away == "replaced":
        folder.path.mkdir()
    for write in (
        lambda: folder.write_text("a.txt", ""),
        lambda: folder.check_there(),
    ):
        with pytest.raises(UserError, match="run was removed or renamed while the run wrote to it"):
            write()
    assert not (tmp_path / "run" / "a.txt").exists()
    folder.release()


def test_whether_it_is_held_can_be_asked_without_holding_it(tmp_path):
    assert not is_held(tmp_path / "nowhere")
    lock = FolderLock(tmp_path)
    assert is_held(tmp_path)
    other = FolderLock(tmp_path, ".other")
    lock.release()
    assert not is_held(tmp_path)
    (tmp_path / ".lock").touch()  # as a killed process leaves it
    assert not is_held(tmp_path)
    with pytest.raises(InUseError, match="in use"):
        FolderLock(tmp_path, ".other")
    other.release()
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}
