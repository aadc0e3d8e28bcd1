"""Forks of a template: the figures, exit codes, signals and files of a process started by hand."""

import fcntl
import json
import os
import signal
import sys
import termios
import threading
import time
from pathlib import Path

import pytest

from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.interrupts import STOPS
from fewshot.studies import runs
from fewshot.studies.engines.forked import Template
from fewshot.studies.engines.local import LocalEngine
from fewshot.studies.engines.template import SCRIPT
from fewshot.studies.engines.waiting import LOST
from fewshot.studies.figures import figure, is_completed, read_results
from tests.faults.scenes import differences, fingerprint
from tests.studies.conftest import TINY

THREADS = "2"
LONG = ["main.num_epochs = 100000", "Trainer.checkpoint_steps = 1"]


@pytest.fixture(scope="module")
def template():
    made = Template(os.environ | {"OMP_NUM_THREADS": THREADS})
    yield made
    made.close()


@pytest.fixture(scope="module")
def by_hand(shop, tmp_path_factory):
    """A run, and its folder, completed by a process that was started for it."""
    run = runs.Run("run", ["configs/transfer.gin"], [*shop.bindings(), *TINY])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", THREADS)
        return run, runs.complete(run, tmp_path_factory.mktemp("hand"))


@pytest.fixture
def words(shop):
    """Arguments of a run of a second, by its folder and what more is bound."""

    def made(folder: Path, *more: str) -> list[str]:
        place = ["--name", folder.name, "--output-dir", str(folder.parent)]
        bound = [word for line in [*shop.bindings(), *TINY, *more] for word in ("-p", line)]
        return [sys.executable, SCRIPT, "-c", "configs/transfer.gin", *place, *bound]

    return made


def ended(run, within=60):
    """The exit code, by and by."""
    limit = time.monotonic() + within
    while (code := run.poll()) is None:
        assert time.monotonic() < limit
        time.sleep(0.01)
    return code


def begun(run, folder):
    """Wait until it has something to go on with."""
    while not (folder / "last.ckpt").exists():
        assert run.poll() is None
        time.sleep(0.01)


def parent_of(process):
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def facts(folder):
    """What environment.json says of the process."""
    told = json.loads((folder / "environment.json").read_text())
    command = [word.replace(str(folder.parent), "") for word in told.pop("command")]
    return {name: value for name, value in told.items() if name != "started"}, command


@pytest.mark.slow  # a process that imports torch
def test_a_run_by_hand_is_a_process_of_its_own_and_is_not_repeated(by_hand, monkeypatch):
    run, folder = by_hand
    assert folder.path.name == "run"
    assert is_completed(folder)
    monkeypatch.setattr(runs, "_exit_code", lambda command: pytest.fail("it was run again"))
    assert runs.complete(run, folder.path.parent).path == folder.path
    assert figure(folder, "test/top1") == read_results(folder)["test"]["top1"]


@pytest.mark.slow  # the template imports torch
def test_a_fork_is_what_a_run_is_by_hand(template, by_hand, tmp_path):
    run, hand = by_hand
    forked, log = tmp_path / "forked" / "run", tmp_path / "log"
    log.write_text("before\n")
    assert ended(template.start(runs.command(run, forked.parent), log)) == 0
    assert is_completed(ExperimentFolder(forked))
    assert not differences(fingerprint(forked), fingerprint(hand.path))
    assert facts(forked) == facts(hand.path)
    assert facts(forked)[0]["threads"] == int(THREADS)
    text = log.read_text()
    assert text.startswith("before\n") and f"everything is in {forked}" in text


def test_it_is_a_session_of_its_own_that_saves_when_asked_to_stop(template, words, tmp_path):
    folder = tmp_path / "stopped"
    run = template.start(words(folder, *LONG), tmp_path / "some run.log")
    begun(run, folder)
    assert os.getsid(run.pid) == run.pid
    assert Path(f"/proc/{run.pid}/comm").read_text() == "some run\n"
    assert Path(f"/proc/{run.pid}/cwd").readlink() == Path.cwd()
    for number in STOPS:
        os.kill(parent_of(run.pid), number)  # as who stops all processes of a job does
    run.terminate()
    assert ended(run) == 130
    assert ended(run) == 130, "it is known for good"
    run.terminate()
    assert "go on with: python experiment.py --resume" in (tmp_path / "some run.log").read_text()


def alone(place):
    """Wait until the process has no child that lives."""
    limit = time.monotonic() + 20
    children = Path(f"/proc/{place}/task/{place}/children")
    while any(is_alive(child) for child in children.read_text().split()):
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_run_whose_start_is_interrupted_does_not_go_on(template, words, tmp_path, monkeypatch):
    template._await()
    hear = template._hear

    def interrupted(answers):
        hear(answers)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(template, "_hear", interrupted)
    with pytest.raises(KeyboardInterrupt):
        template.start(words(tmp_path / "unknown", *LONG), tmp_path / "log")
    alone(template._process.pid)


class Interruption(threading.Thread):
    """An interrupt as soon as so many bytes wait for a template that is stopped until it has come.

    patience: seconds to wait for `heard`, which who has heard it sets; whether that was before the
    template went on is `in_time`.
    """

    def __init__(self, template, sent, patience=0.0):
        super().__init__()
        self.heard, self.in_time = threading.Event(), False
        self._pipe, self._template = template._process.stdin.fileno(), template._process.pid
        self._sent, self._patience = sent, patience
        os.kill(self._template, signal.SIGSTOP)

    def run(self):
        limit = time.monotonic() + 60
        while self._waiting() < self._sent and time.monotonic() < limit:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        self.in_time = self.heard.wait(self._patience)
        os.kill(self._template, signal.SIGCONT)

    def _waiting(self):
        answer = fcntl.ioctl(self._pipe, termios.FIONREAD, bytes(4))
        return int.from_bytes(answer, sys.byteorder)


def test_an_interrupt_is_heard_while_the_template_gives_no_answer(template, words, tmp_path):
    run = template.start(words(tmp_path / "run", *LONG), tmp_path / "log")
    asked = {
        "poll": run.poll,
        "start": lambda: template.start(words(tmp_path / "unknown", *LONG), tmp_path / "log"),
    }
    for what, ask in asked.items():
        interruption = Interruption(template, sent=1, patience=20)
        with pytest.raises(KeyboardInterrupt):
            interruption.start()
            ask()
        run.terminate()  # nor is its answer waited for
        interruption.heard.set()
        interruption.join()
        assert interruption.in_time, what
    assert ended(run) in {-signal.SIGTERM, 130}
    alone(template._process.pid)


def test_a_template_that_somebody_stopped_goes_on_to_stop_its_run(template, words, tmp_path):
    run = template.start(words(tmp_path / "run", *LONG), tmp_path / "log")
    os.kill(template._process.pid, signal.SIGSTOP)
    run.terminate()
    assert ended(run, within=20) in {-signal.SIGTERM, 130}


def test_paths_of_modules_are_those_of_the_studys_folder():
    """The template is in another one."""
    paths = os.pathsep.join(["plug", "", "/elsewhere"])
    there = Template({"PYTHONPATH": paths, "A": "b"}).environment()
    assert there == {"A": "b", "PYTHONPATH": f"{Path.cwd()}/plug:{Path.cwd()}:/elsewhere"}
    assert Template({"A": "b"}).environment() == {"A": "b"}


def test_a_run_that_is_stopped_before_it_heeds_anything_ends(template, words, tmp_path):
    begun = [template.start(words(tmp_path / str(n), *LONG), tmp_path / "log") for n in range(8)]
    for run in begun:  # one that has just been forked is still what its template is
        run.terminate()
    assert {ended(run, within=20) for run in begun} <= {-signal.SIGTERM, 130}
    for n in range(8, 16):
        run = template.start(words(tmp_path / str(n), *LONG), tmp_path / "log")
        run.terminate()
        assert ended(run, within=20) in {-signal.SIGTERM, 130}


def test_refused_ones_and_killed_ones_end_as_processes_do(template, words, tmp_path):
    refused = template.start(words(tmp_path / "refused", "main.num_epochs = -1"), tmp_path / "1")
    killed = template.start(words(tmp_path / "killed", *LONG), tmp_path / "2")
    os.kill(killed.pid, signal.SIGKILL)
    assert ended(killed) == -signal.SIGKILL
    assert ended(refused) == 2
    assert "main.num_epochs is -1: it must be" in (tmp_path / "1").read_text()


MEGABYTE = f"long = '{'x' * 1_000_000}'"


def test_a_request_of_a_megabyte_arrives_whole(template, words, tmp_path):
    run = template.start(words(tmp_path / "run", MEGABYTE), tmp_path / "log")
    assert ended(run) == 2
    assert f'-p "{MEGABYTE}": this defines a macro' in (tmp_path / "log").read_text()


def test_an_interrupt_in_the_middle_of_a_request_harms_no_other_run(template, words, tmp_path):
    other = template.start(words(tmp_path / "other", *LONG), tmp_path / "other.log")
    full = fcntl.fcntl(template._process.stdin.fileno(), fcntl.F_GETPIPE_SZ)
    interruption = Interruption(template, sent=full)  # the rest waits for the template
    with pytest.raises(KeyboardInterrupt):
        interruption.start()
        template.start(words(tmp_path / "run", MEGABYTE, *LONG), tmp_path / "log")
    interruption.join()
    assert other.poll() is None, "the template is gone, and all its runs with it"
    other.terminate()
    assert ended(other) in {-signal.SIGTERM, 130}


def test_what_is_no_experiment_is_not_forked(template, tmp_path):
    assert template.start([sys.executable, "-c", "1"], tmp_path / "log") is None


def is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_its_runs_end_with_it_and_others_start_without(template, words, tmp_path, monkeypatch):
    """The last of this file, since it needs the template no more."""
    folder, log = tmp_path / "lost", tmp_path / "log"
    run = template.start(words(folder, *LONG), log)
    begun(run, folder)
    os.kill(parent_of(run.pid), signal.SIGKILL)
    assert ended(run) == LOST
    limit = time.monotonic() + 10
    while is_alive(run.pid):
        assert time.monotonic() < limit, "else it would go on beside the one in its place"
        time.sleep(0.01)
    engine = LocalEngine()
    monkeypatch.setattr(engine, "_template", template)
    monkeypatch.setattr(runs, "start", lambda command, log, environment: command)
    assert engine.start(words(folder), log) == words(folder)
