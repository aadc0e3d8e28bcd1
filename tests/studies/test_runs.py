"""Runs as a study starts them: skipped, resumed, refused; test_forked has one for real."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.studies import runs
from fewshot.studies.runs import Run, complete


def evaluation(shop, name="probe", *bindings):
    """A run that trains nothing."""
    bound = [*shop.bindings(), "TransferNet.encoder = @SmallResNet", *bindings]
    return Run(name, ["configs/knn_probe.gin"], [*bound, "SmallResNet.widths = (8,)"])


@pytest.fixture
def started(shop, tmp_path):
    """The folder of a run that was interrupted."""
    from fewshot.binding import config

    run = evaluation(shop)
    folder = ExperimentFolder(tmp_path / run.name)
    folder.create()
    folder.write_text("config.gin", config.load(run.configs, run.bindings).text)
    return folder


def test_an_interrupted_run_is_gone_on_with(shop, tmp_path, monkeypatch, started):
    commands = []

    def ended(command):
        commands.append(command)
        started.write_json("results.json", {"status": "completed"})
        return 0

    monkeypatch.setattr(runs, "_exit_code", ended)
    complete(evaluation(shop), tmp_path)
    assert commands[0][2:] == ["--resume", str(started.path)]


def test_a_folder_of_another_configuration_is_refused(shop, tmp_path, started):
    text = r"holds a run of another configuration; these lines differ: KNNClassification\.k = 3\. C"
    with pytest.raises(UserError, match=text):
        complete(evaluation(shop, "probe", "KNNClassification.k = 3"), tmp_path)


def test_bindings_reach_the_process_in_order_and_with_the_model(tmp_path, monkeypatch):
    commands = []

    def ended(command):
        commands.append(command)
        return 2

    monkeypatch.setattr(runs, "_exit_code", ended)
    for name, text in (("x", "main.objective = @TransferNet"), ("y", "main.num_epochs = 1")):
        (tmp_path / f"{name}.gin").write_text(text)
    files = [str(tmp_path / "x.gin"), str(tmp_path / "y.gin")]
    run = Run("a", files, ["main.seed = 1"])
    run = run.with_bindings(["main.seed = 2"]).with_model(tmp_path / "model.mdl")
    with pytest.raises(UserError, match="the run 'a' was refused, for the reason above"):
        complete(run, tmp_path / "out")
    model = f"TransferNet.saved_model_path = '{tmp_path}/model.mdl'"
    assert commands[0][2:] == [
        *("-c", files[0], "-c", files[1]),
        *("-p", "main.seed = 1", "-p", "main.seed = 2", "-p", model),
        *("--name", "a", "--output-dir", str(tmp_path / "out")),
    ]


def test_a_model_goes_to_the_objective_that_takes_it():
    taken = Run("a", ["configs/triplet.gin"]).with_model(Path("m.mdl")).bindings
    assert taken == ["TripletNet.saved_model_path = 'm.mdl'"]
    with pytest.raises(UserError, match="cannot start from a saved model, as RotationNet takes"):
        Run("a", ["configs/rotation.gin"]).with_model(Path("m.mdl"))


@pytest.mark.parametrize(
    ("code", "error"), [(130, KeyboardInterrupt), (1, UserError), (-9, UserError)]
)
def test_a_run_that_is_interrupted_or_fails_says_how_to_go_on(tmp_path, monkeypatch, code, error):
    monkeypatch.setattr(runs, "_exit_code", lambda command: code)
    with pytest.raises(error, match="same command"):
        complete(Run("a", ["x.gin"]), tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_study_that_is_stopped_stops_its_run_once_and_waits_for_it(tmp_path, number):
    """In a process of its own, since the signal goes to whoever runs the study."""
    child = textwrap.dedent(
        """
        import signal, sys, time
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as exit_code does
        try:
            open(sys.argv[1], "w").close()
            time.sleep(30)
        except KeyboardInterrupt:
            time.sleep(0.3)  # a second interrupt would end this
            print("tidy", file=sys.stderr)
            sys.exit(130)
        """
    )
    program = textwrap.dedent(
        f"""
        import sys
        from fewshot.console import exit_code
        from fewshot.studies.runs import _exit_code
        def study():
            code = _exit_code([sys.executable, "-c", {child!r}, {str(tmp_path / "up")!r}])
            raise KeyboardInterrupt(f"run ended with {{code}}")
        sys.exit(exit_code(study))
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    ready = threading.Event()
    for _ in range(600):
        if (tmp_path / "up").exists():
            break
        ready.wait(0.05)
    os.killpg(process.pid, number)  # as a terminal's Ctrl-C, to the whole group
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.split("\n")[:2] == ["tidy", "interrupted; run ended with 130"]


def test_an_argument_longer_than_the_system_takes_is_told_with_the_remedy(tmp_path):
    long = f"long = '{'x' * 2**22}'"  # the limit is 2 MiB where pages of memory have 64 KiB
    with pytest.raises(
        UserError, match=r"of 4,194,313 characters, long = 'x+\.{3}: write .* \.gin"
    ):
        runs.start([sys.executable, "-c", "1", long], tmp_path / "log", os.environ)
