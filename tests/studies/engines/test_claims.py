"""Two studies that share a run: one computes it, the other waits and takes it."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.experiment.lock import FolderLock
from fewshot.studies.engines import claims
from fewshot.studies.engines.claims import Claims

# a run that takes a while, and fails where another computes it, as a real one would
RUN = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from fewshot.experiment.artifacts import ExperimentFolder
    folder = ExperimentFolder(sys.argv[1])
    folder.create()
    folder.write_text("config.gin", sys.argv[2])
    with open(sys.argv[3], "a") as file:
        file.write(folder.name + "\\n")
    time.sleep(float(sys.argv[4]))
    folder.write_bytes("model.mdl", b"")
    folder.write_json("results.json", {"status": "completed"})
    """
)
STUDY = textwrap.dedent(
    """
    import logging, subprocess, sys
    from pathlib import Path
    from fewshot.binding import config
    from fewshot.console import exit_code
    from fewshot.studies import runs
    from fewshot.studies.engines.forked import Template
    from fewshot.studies.engines.local import LocalEngine
    from fewshot.studies.plan import PlannedRun

    place, gin, starts, seconds = Path(sys.argv[1]), *sys.argv[2:5]

    def start(command, log, environment):
        name = command[command.index("--name") + 1]
        parent = command[command.index("--output-dir") + 1]
        bound = [command[i + 1] for i, word in enumerate(command) if word == "-p"]
        text = config.load([gin], bound).text
        with open(log, "ab") as file:
            return subprocess.Popen(
                [sys.executable, "-c", RUN, f"{parent}/{name}", text, starts, seconds],
                stdout=file, stderr=file, start_new_session=True,
            )

    runs.start, Template.start = start, lambda *_: None

    def study():
        planned = [PlannedRun("shared", [gin], beside="pretrained")]
        planned += [PlannedRun(place.name, [gin], after="shared")]
        failed = LocalEngine().complete(planned, place)
        print("failed", failed, flush=True)

    sys.exit(exit_code(study))
    """
)


def study(place: Path, seconds: float) -> "subprocess.Popen[str]":
    gin = place.parent / "a.gin"
    gin.write_text("main.objective = @TransferNet")
    code = f"RUN = {RUN!r}\n{STUDY}"
    return subprocess.Popen(
        [sys.executable, "-c", code, str(place), str(gin), str(starts(place)), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def starts(place: Path) -> Path:
    return place.parent / "starts"


def wait_for(path: Path) -> None:
    ends = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.slow  # processes that import the engine
def test_two_studies_at_once_pretrain_once(tmp_path):
    both = [study(tmp_path / name, 2) for name in ("one", "two")]
    told = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert [out for out, _ in told] == ["failed []\n"] * 2
    assert sorted(starts(tmp_path / "one").read_text().split()) == ["one", "shared", "two"]
    waited = [f"{tmp_path}/pretrained/shared is computed by another process" in e for _, e in told]
    assert sum(waited) == 1
    assert not list((tmp_path / "pretrained").glob(".*")), "no claim is left"


@pytest.mark.slow  # processes that import the engine
def test_a_run_that_outlives_its_killed_study_is_waited_for(tmp_path):
    first = study(tmp_path / "one", 4)
    wait_for(starts(tmp_path / "one"))
    first.kill()
    first.communicate()
    second = study(tmp_path / "two", 0)
    out, errors = second.communicate(timeout=120)
    assert (second.returncode, out) == (0, "failed []\n"), errors
    assert "shared is computed by another process: waiting for it" in errors
    assert starts(tmp_path / "one").read_text().split() == ["shared", "two"]


@pytest.mark.slow  # processes that import the engine
def test_a_study_that_waits_can_be_stopped(tmp_path):
    folder = tmp_path / "pretrained" / "shared"
    folder.mkdir(parents=True)
    lock = FolderLock(folder)
    process = study(tmp_path / "one", 0)
    for line in process.stderr:
        if "is computed by another process" in line:
            break
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    lock.release()
    process.communicate()
    assert not starts(tmp_path / "one").exists()


class TestClaims:
    def test_one_has_a_run_until_it_lets_go(self, tmp_path, monkeypatch, caplog):
        monkeypatch.setattr(claims, "_LOOK_SECONDS", 0)
        caplog.set_level("INFO")
        one, other, run = Claims(), Claims(), ExperimentFolder(tmp_path / "pretrained" / "run")
        assert one.take(run)
        assert [other.take(run), other.take(run)] == [False, False]
        assert caplog.text.count("pretrained/run is computed by another process") == 1
        one.release(run)
        assert other.take(run)
        assert not one.take(run)
        other.release_all()
        assert one.take(run)
        assert other.take(ExperimentFolder(tmp_path / "pretrained" / "run2"))

    def test_who_waits_does_not_look_all_the_time(self, tmp_path, monkeypatch):
        one, other, run = Claims(), Claims(), ExperimentFolder(tmp_path / "run")
        assert one.take(run)
        assert not other.take(run)
        monkeypatch.setattr(claims, "FolderLock", None)
        assert not other.take(run)

    def test_in_place_of_a_folder_the_run_says_what_is_wrong(self, tmp_path):
        (tmp_path / "file").touch()
        assert Claims().take(ExperimentFolder(tmp_path / "file" / "run"))
