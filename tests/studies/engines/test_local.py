"""The local engine, its processes made of nothing; what a real one does, test_runs.py has."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import ClassVar

import pytest

from fewshot.errors import UserError
from fewshot.studies import engines, runs
from fewshot.studies.engines import side_by_side
from fewshot.studies.engines.engine import build_engine, names
from fewshot.studies.engines.forked import Template
from fewshot.studies.engines.local import LocalEngine
from fewshot.studies.engines.options import EngineOptions, read_resources
from fewshot.studies.engines.waiting import INTERRUPTED, LOST
from fewshot.studies.plan import PlannedRun
from fewshot.studies.progress import Progress
from tests.studies.conftest import Ended


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "a.gin"
    path.write_text("main.objective = @TransferNet")
    return str(path)


@pytest.fixture
def started(monkeypatch, tmp_path):
    """What is started: names with environments; `codes` says how some end, others completed."""

    class Started:
        def __init__(self):
            self.names, self.commands, self.environments, self.codes = [], [], [], {}
            self.polls, self.going, self.most = 0, [], 0

    found = Started()

    def start(command, log, environment):
        name = command[command.index("--name") + 1]
        parent = command[command.index("--output-dir") + 1]
        found.names.append(name)
        found.commands.append(command)
        found.environments.append(environment)
        code = found.codes.get(name, 0)
        log.write_text("it was\nerror: wrong\n")
        if code == 0:
            folder = tmp_path / parent / name
            folder.mkdir(parents=True)
            (folder / "results.json").write_text(json.dumps({"status": "completed"}))
            (folder / "model.mdl").touch()
        process = Ended(code, found.polls)
        found.going = [one for one in found.going if one.polls >= 0] + [process]
        found.most = max(found.most, len(found.going))
        return process

    monkeypatch.setattr(runs, "start", start)
    monkeypatch.setattr(Template, "start", lambda *_: None)
    monkeypatch.setattr("fewshot.studies.engines.side_by_side._POLL_SECONDS", 0)
    return found


def planned(config, *names_and_needs, **more):
    return [
        PlannedRun(name, [config], after=after or None, **more)
        for name, _, after in (text.partition("<") for text in names_and_needs)
    ]


def test_a_run_starts_from_the_model_of_the_one_it_needs(started, config, tmp_path):
    plan = planned(config, "b<a", "a")
    assert LocalEngine().complete(plan, tmp_path / "study") == []
    assert started.names == ["a", "b"]
    model = tmp_path / "study" / "a" / "model.mdl"
    assert f"TransferNet.saved_model_path = '{model}'" in started.commands[1]


def test_a_shared_run_stands_beside_the_study(started, config, tmp_path):
    shared = PlannedRun("a", [config], beside="pretrained")
    plan = [shared, *planned(config, "b<a")]
    LocalEngine().complete(plan, tmp_path / "study")
    assert (tmp_path / "pretrained" / "a" / "model.mdl").is_file()
    assert f"{tmp_path}/pretrained/a/model.mdl" in " ".join(started.commands[1])


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_so_many_go_side_by_side_and_no_more(started, config, tmp_path, jobs):
    started.polls = 3
    LocalEngine(EngineOptions(jobs)).complete(planned(config, *"abcdefg"), tmp_path)
    assert started.most == jobs
    assert sorted(started.names) == list("abcdefg")


def test_cores_are_shared_among_them(started, config, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for jobs in (1, 3):
        LocalEngine(EngineOptions(jobs)).complete(planned(config, f"run{jobs}"), tmp_path)
    assert [e.get("OMP_NUM_THREADS") for e in started.environments] == [None, "2"]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    LocalEngine(EngineOptions(3)).complete(planned(config, "asked"), tmp_path)
    assert started.environments[-1]["OMP_NUM_THREADS"] == "5", "what the user says holds"


@pytest.mark.parametrize("code", [1, 2, -9])
def test_a_failed_run_keeps_only_those_from_running_that_need_it(
    started, config, tmp_path, code, caplog
):
    started.codes["a"] = code
    failed = LocalEngine(EngineOptions(2)).complete(
        planned(config, "a", "b<a", "c", "d<c"), tmp_path
    )
    assert failed == ["a", "b"]
    assert started.names == ["a", "c", "d"]
    assert f"a ended with exit code {code}, see {tmp_path}/logs/a.log:" in caplog.text
    assert "error: wrong" in caplog.text
    assert "b is left out, since a failed" in caplog.text


def test_a_run_that_is_left_out_is_not_waited_for(started, config, tmp_path, caplog):
    started.codes["a"] = 2
    with caplog.at_level("INFO", "fewshot"):
        failed = LocalEngine().complete(planned(config, "c", "a", "b<a", "d<b"), tmp_path)
    assert failed == ["a", "b", "d"]
    assert caplog.messages[-1] == "1 of 4 runs are done, 3 failed or were left out"


def test_an_exit_without_results_is_no_success(started, config, tmp_path, monkeypatch):
    monkeypatch.setattr(side_by_side, "is_completed", lambda folder: False)
    assert LocalEngine().complete(planned(config, "a"), tmp_path) == ["a"]


def test_nor_is_one_whose_results_cannot_be_read(started, config, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(json, "dumps", lambda *_: "{")
    assert LocalEngine().complete(planned(config, "a", "b"), tmp_path) == ["a", "b"]
    assert f"{tmp_path}/a/results.json cannot be read" in caplog.text


def test_one_that_is_refused_before_it_starts(started, tmp_path, caplog):
    takes_none = tmp_path / "r.gin"
    takes_none.write_text("main.objective = @RotationNet")
    failed = LocalEngine().complete(planned(str(takes_none), "a", "b<a"), tmp_path)
    assert failed == ["b"]
    assert "b: the run 'b' cannot start from a saved model, as RotationNet" in caplog.text


@pytest.mark.parametrize("stopped", [KeyboardInterrupt(), UserError("no machine is left")])
def test_what_ends_the_study_stops_all_that_go(started, config, tmp_path, stopped):
    class Interrupted(LocalEngine):
        def look(self):
            raise stopped

    started.polls = 5
    with pytest.raises(type(stopped)):
        Interrupted(EngineOptions(3)).complete(planned(config, *"abcd"), tmp_path)
    assert started.names == ["a", "b", "c"]
    assert all(one.terminated and one.polls < 0 for one in started.going), "each was waited for"


class Stubborn(Ended):
    """One that never ends, or of which nothing can be known."""

    def __init__(self, known):
        super().__init__(0, 10**9)
        self.known = known

    def poll(self):
        if not self.known:
            raise UserError("nothing is known of it")
        return super().poll()


def test_all_that_hang_have_one_time_limit_to_stop(started, config, tmp_path, monkeypatch, caplog):
    made = [Stubborn(known) for known in (True, False, True, True)]
    left = iter(made)
    monkeypatch.setattr(runs, "start", lambda *_: next(left))
    hanging = LocalEngine(EngineOptions(4))
    hanging.patience = 0.2
    since = time.monotonic()
    with pytest.raises(UserError, match="nothing is known of it"):
        hanging.complete(planned(config, *"abcd"), tmp_path)
    assert 0.2 <= time.monotonic() - since < 0.6
    assert [one.terminated for one in made] == [True] * 4
    assert "3 runs have not stopped within 0 s" in caplog.text


class Silent(Ended):
    """Of which nothing is told for so long that one interrupts the wait."""

    asked: ClassVar[list["Silent"]] = []

    def __init__(self):
        super().__init__(130)
        self.asked.append(self)

    def poll(self):
        if not self.terminated:
            raise KeyboardInterrupt
        assert all(one.terminated for one in self.asked), "it is waited for before all are asked"
        return super().poll()


def test_one_of_which_nothing_is_told_keeps_no_other_from_being_asked_to_stop(
    started, config, tmp_path, monkeypatch
):
    monkeypatch.setattr(runs, "start", lambda *_: Silent())
    with pytest.raises(KeyboardInterrupt):
        LocalEngine(EngineOptions(3)).complete(planned(config, *"abc"), tmp_path)
    assert [one.terminated for one in Silent.asked] == [True] * 3


def test_what_was_completed_is_not_repeated(started, config, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "command", lambda run, parent: None)
    assert LocalEngine().complete(planned(config, "a", "b"), tmp_path) == []
    assert started.names == []


def test_progress_is_told(started, config, tmp_path, caplog):
    caplog.set_level("INFO", "fewshot")
    LocalEngine().complete(planned(config, "a", "b"), tmp_path)
    assert "1 of 2 runs are done; about" in caplog.text
    assert "2 of 2 runs are done" in caplog.text


def test_progress_counts_what_failed_apart(started, config, tmp_path, caplog):
    caplog.set_level("INFO", "fewshot")
    started.codes["a"] = 2
    LocalEngine().complete(planned(config, "a", "b"), tmp_path)
    assert "0 of 2 runs are done, 1 failed or were left out" in caplog.text
    assert "1 of 2 runs are done, 1 failed or were left out" in caplog.messages[-1]


def test_two_that_end_at_once_are_told_one_after_the_other(started, config, tmp_path, caplog):
    caplog.set_level("INFO", "fewshot")
    LocalEngine(EngineOptions(2)).complete(planned(config, "a", "b"), tmp_path)
    told = [line.partition(";")[0] for line in caplog.messages if "runs are done" in line]
    assert told == ["1 of 2 runs are done, 1 going on", "2 of 2 runs are done"]


def test_one_that_failed_without_a_log_is_told(started, config, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(runs, "start", lambda *_: Ended(3))
    assert LocalEngine().complete(planned(config, "a", "b"), tmp_path) == ["a", "b"]
    assert f"b ended with exit code 3 and left no {tmp_path}/logs/b.log" in caplog.text


def test_the_rest_of_an_interrupted_run_tells_nothing_of_the_others(
    started, config, tmp_path, monkeypatch, caplog
):
    caplog.set_level("INFO", "fewshot")
    command = runs.command

    def resumed(run, parent):
        return [*command(run, parent), *(["--resume", run.name] if run.name == "a" else [])]

    monkeypatch.setattr(runs, "command", resumed)
    LocalEngine().complete(planned(config, "a", "b", "c"), tmp_path)
    assert "1 of 3 runs are done" in caplog.messages
    assert any(line.startswith("2 of 3 runs are done; about") for line in caplog.messages)


def test_runs_may_be_a_part_of_a_study(started, config, tmp_path, caplog):
    caplog.set_level("INFO", "fewshot")
    runs_of_all = planned(config, "a", "b")
    progress = Progress([run.alike for run in runs_of_all], 1)
    started.codes["a"] = 2
    LocalEngine().complete(runs_of_all[:1], tmp_path, progress)
    assert "0 of 2 runs are done, 1 failed or were left out" in caplog.messages[-1]
    LocalEngine().complete(runs_of_all[1:], tmp_path, progress)
    assert caplog.messages[-1] == "1 of 2 runs are done, 1 failed or were left out"


def test_a_stopped_study_stops_its_processes_and_waits_for_them(tmp_path):
    """In a process of its own, since the signal goes to whoever runs the study."""
    child = textwrap.dedent(
        f"""
        import signal, sys, time
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as exit_code does
        try:
            open({str(tmp_path)!r} + "/up" + sys.argv[1], "w").close()
            time.sleep(30)
        except KeyboardInterrupt:
            time.sleep(0.3)
            open({str(tmp_path)!r} + "/tidy" + sys.argv[1], "w").close()
            sys.exit(130)
        """
    )
    program = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from fewshot.console import exit_code
        from fewshot.studies import runs
        from fewshot.studies.engines.local import LocalEngine
        from fewshot.studies.engines.options import EngineOptions
        from fewshot.studies.plan import PlannedRun
        runs.command = lambda run, parent: [sys.executable, "-c", {child!r}, run.name]
        plan = [PlannedRun(name, []) for name in ("1", "2", "3")]
        study = lambda: LocalEngine(EngineOptions(2)).complete(plan, Path({str(tmp_path)!r}))
        sys.exit(exit_code(study))
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    ready = threading.Event()
    for _ in range(1200):
        if (tmp_path / "up1").exists() and (tmp_path / "up2").exists():
            break
        ready.wait(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 130
    assert (tmp_path / "tidy1").exists()
    assert (tmp_path / "tidy2").exists()
    assert not (tmp_path / "up3").exists()


def test_a_module_is_an_engine_where_it_builds_one(tmp_path, monkeypatch):
    (tmp_path / "leased_machines.py").write_text("PRICE = 1")
    (tmp_path / "queueing.py").write_text("def build(options): return options.jobs")
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(tmp_path)])
    try:
        assert names() == ["local", "ray", "queueing"]
        assert build_engine("queueing", EngineOptions(3)) == 3
    finally:
        for name in ("leased_machines", "queueing"):
            sys.modules.pop(f"{engines.__name__}.{name}", None)


def test_engines_are_the_modules_there_are():
    assert names() == ["local", "ray"]
    with pytest.raises(UserError, match=r"locl: .* Did you mean local\? There are: local, ray"):
        build_engine("locl", EngineOptions())
    with pytest.raises(UserError, match="--jobs is 0: give 1 or more"):
        EngineOptions(0)
    with pytest.raises(UserError, match="--address and --resources are of a cluster"):
        build_engine("local", EngineOptions(address="auto"))


@pytest.mark.parametrize(
    ("code", "why"),
    [(LOST, "was lost with its worker"), (INTERRUPTED, "was interrupted, the study was not")],
)
def test_a_run_that_something_stops_starts_again_and_not_for_ever(
    started, config, tmp_path, caplog, code, why
):
    started.codes["a"] = code
    assert LocalEngine().complete(planned(config, "a", "b"), tmp_path) == ["a"]
    assert started.names == ["a"] * 6 + ["b"]
    assert f"a {why}, and starts again" in caplog.text
    assert f"a ended with exit code {code}, see " in caplog.text


def test_resources_are_names_and_amounts():
    assert read_resources(["CPU=2", "GPU=0.5"]) == {"CPU": 2.0, "GPU": 0.5}
    for wrong in ("GPU", "GPU=many", "=1", "GPU=-1", "GPU=nan"):
        with pytest.raises(UserError, match=f"--resources {wrong}: give a name and an amount"):
            read_resources([wrong])


def test_ray_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install -r requirements-ray\.txt"):
        build_engine("ray", EngineOptions())
