import logging
import os
import signal
import subprocess
import sys
import types

import gin
import pytest
import torch
from gin.utils import augment_exception_message_and_reraise

import experiment
import fewshot
from fewshot.binding.locating import REPOSITORY
from fewshot.errors import UserError
from tests.binding.dummies import dummy_main, isolate

PROGRAM = [sys.executable, "-X", "importtime", str(REPOSITORY / "experiment.py")]


def outcome(*arguments, folder):
    return subprocess.run(
        [*PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def requests(monkeypatch, tmp_path):
    """Run in this process with dummies to bind; `main` keeps its request and does as it is told."""
    isolate(monkeypatch)
    seen = []

    def main(request):
        seen.append(request)
        if main.does is not None:
            main.does(request)

    main.does = None
    seen_by = types.ModuleType("fewshot.main")
    seen_by.main = main
    monkeypatch.setitem(sys.modules, "fewshot.main", seen_by)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.gin").write_text("dummy_main.num_epochs = 2\n")
    logger, handler = logging.getLogger("fewshot"), signal.getsignal(signal.SIGTERM)
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield types.SimpleNamespace(main=main, seen=seen)
    logger.handlers[:], logger.level, logger.propagate = before
    signal.signal(signal.SIGTERM, handler)
    gin.clear_config()


def test_help_answers_before_anything_heavy_is_imported(tmp_path):
    answer = outcome("--help", folder=tmp_path)
    assert answer.returncode == 0
    for flag in ("--config", "--parameter", "--name", "--output-dir", "--resume", "--dry-run"):
        assert flag in answer.stdout
    imported = {line.rpartition("|")[2].strip() for line in answer.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"torch", "gin", "numpy", "pandas", "fewshot.binding.config"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no config is given: add -c configs/FILE, for example one of "),
        (["--resume", "x", "-c", "a.gin"], "drop -c, -p, --name and --output-dir"),
        (["--resume", "x", "-p", "a.b=1"], "drop -c, -p, --name and --output-dir"),
        (["--resume", "x", "--name", "y"], "drop -c, -p, --name and --output-dir"),
        (["--no-such-flag"], "unrecognized arguments: --no-such-flag"),
        (["-c"], "expected one argument"),
    ],
)
def test_wrong_arguments_exit_with_2(arguments, told, capsys):
    with pytest.raises(SystemExit) as caught:
        experiment.run(arguments)
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x" * 256, "\N{HIRAGANA LETTER A}" * 80])
def test_a_name_that_is_too_long_for_a_folder_is_refused(requests, capsys, name):
    assert experiment.run(["-c", "a.gin", "--name", name]) == 2
    assert "bytes: give one of 200 at most." in capsys.readouterr().err
    assert not requests.seen


def test_a_long_config_name_is_shortened(requests, tmp_path):
    (tmp_path / f"{'x' * 250}.gin").touch()
    assert experiment.run(["-c", f"{'x' * 250}.gin"]) == 0
    assert requests.seen[0].name.startswith("x" * 50 + "-")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (OSError(28, "No space left on device", "a/b"), "No space left on device: a/b: make room"),
        (PermissionError(13, "Permission denied", "a"), "Permission denied: a: mend that"),
        (OSError(28, "No space left on device"), "No space left on device: make room, then go on."),
        (MemoryError(), "the memory does not suffice: take smaller batches"),
        (OSError(12, "Cannot allocate memory"), "the memory does not suffice"),
        (ImportError("lib.so: failed to map segment from shared object"), "the memory does not"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: x"), "the memory does not"),
        (RuntimeError("Could not determine home directory."), "set HOME, or bind paths without ~"),
    ],
)
@pytest.mark.parametrize("through_gin", [False, True])
def test_a_fault_of_the_machine_is_one_message(requests, capsys, fault, told, through_gin):
    def fail(request):
        try:
            raise fault
        except BaseException as error:
            if through_gin:  # which raises a stand-in for what passes through a configurable
                augment_exception_message_and_reraise(error, "\n  In call to configurable 'main'")
            raise

    requests.main.does = fail
    assert experiment.run(["-c", "a.gin"]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "bug",
    [
        RuntimeError("shapes do not match"),
        FileNotFoundError(2, "No such file or directory", f"{fewshot.__path__[0]}/a"),
        FileNotFoundError(2, "No such file or directory", torch.__file__ + ".lost"),
        OSError(9, "Bad file descriptor"),
        OSError("of no kind"),
    ],
)
def test_a_bug_is_no_mistake_of_the_user(requests, bug):
    def fail(request):
        raise bug

    requests.main.does = fail
    with pytest.raises(type(bug)) as raised:
        experiment.run(["-c", "a.gin"])
    assert raised.value is bug


def test_a_run_hands_its_request_to_main(requests, tmp_path):
    arguments = ["-c", "a.gin", "-p", "dummy_main.num_epochs=3", "--name", "mine", "--dry-run"]
    assert experiment.run([*arguments, "--output-dir", "runs"]) == 0
    (request,) = requests.seen
    assert request.folder == tmp_path / "runs" / "mine"
    assert request.dry_run
    assert "dummy_main.num_epochs = 3" in request.config_text
    assert dummy_main()[1] == 3


def test_experiments_is_the_default_parent(requests, tmp_path):
    assert experiment.run(["-c", "a.gin"]) == 0
    assert requests.seen[0].output_dir == tmp_path / "experiments"
    assert requests.seen[0].name.startswith("a-")


def test_a_mistake_is_one_message_and_exit_code_2(requests, capsys):
    assert experiment.run(["-c", "a.gin", "-p", "dummy_main.num_epoch=1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: -p 'dummy_main.num_epoch=1': dummy_main has no parameter")
    assert "Did you mean num_epochs?" in error
    assert error.count("\n") == 1
    assert not requests.seen


def test_what_gin_adds_to_a_message_is_not_shown(requests, capsys):
    @gin.register
    def dummy_failing(k=1):
        raise UserError("the CSV is empty: give another.")

    requests.main.does = lambda request: gin.get_configurable("dummy_failing")()
    try:
        assert experiment.run(["-c", "a.gin"]) == 2
    finally:
        gin.config._REGISTRY.pop(f"{__name__}.dummy_failing")
    assert capsys.readouterr().err == "error: the CSV is empty: give another.\n"


@pytest.mark.parametrize("signalled", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_says_how_to_go_on(requests, tmp_path, capsys, signalled):
    def begin(request):
        request.folder.mkdir(parents=True)
        (request.folder / "config.gin").write_text(request.config_text)
        os.kill(os.getpid(), signalled)
        signal.pause()

    requests.main.does = begin
    assert experiment.run(["-c", "a.gin", "--name", "my run"]) == 130
    folder = tmp_path / "experiments" / "my run"
    assert capsys.readouterr().err == (
        f"interrupted; go on with: python experiment.py --resume '{folder}'\n"
    )
    requests.main.does = None
    assert experiment.run(["--resume", str(folder)]) == 0
    assert requests.seen[1].resume == folder
    assert requests.seen[1].config_text == requests.seen[0].config_text


def test_an_interrupt_before_the_folder_names_none(requests, capsys):
    def stop(request):
        raise KeyboardInterrupt

    requests.main.does = stop
    assert experiment.run(["-c", "a.gin"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_the_log_goes_to_stderr_as_plain_lines(requests, capsys):
    def log(request):
        logging.getLogger("fewshot").info("epoch 1")
        logging.getLogger("fewshot").debug("not shown")
        logging.getLogger("fewshot").warning("a binding is unused")

    requests.main.does = log
    assert experiment.run(["-c", "a.gin"]) == 0
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == "epoch 1\nwarning: a binding is unused\n"


def test_list_prints_what_matches(requests, capsys):
    assert experiment.run(["--list", "DummyLoss"]) == 0
    assert "margin=0.2, weights=None" in capsys.readouterr().out
    assert experiment.run(["--list", "DummyLsos"]) == 2
    assert "Did you mean DummyLoss?" in capsys.readouterr().err


def test_list_may_be_cut_short_by_its_reader(requests, monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert experiment.run(["--list", "DummyLoss"]) == 0


@pytest.mark.slow
def test_the_program_refuses_a_misspelt_binding(tmp_path):
    answer = outcome("-c", "configs/triplet.gin", "-p", "main.num_epoch=1", folder=tmp_path)
    assert answer.returncode == 2
    assert answer.stdout == ""
    told = [line for line in answer.stderr.splitlines() if not line.startswith("import time:")]
    assert len(told) == 1
    assert told[0].startswith("error: -p 'main.num_epoch=1': main has no parameter 'num_epoch'.")
    assert "Did you mean num_epochs?" in told[0]
    assert not list(tmp_path.iterdir())
