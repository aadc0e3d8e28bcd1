import builtins
import math
import sys

import optuna
import pandas as pd
import pytest

from fewshot.__main__ import main
from fewshot.binding import config
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.experiment.lock import FolderLock
from fewshot.studies import runs
from fewshot.studies.engines.local import LocalEngine
from fewshot.studies.journal import opened
from fewshot.studies.search import space

OVER = [
    "--over",
    "torch.optim.Adam.lr",
    "1e-4",
    "1e-1",
    "log",
    "--over",
    "main.num_epochs",
    "1",
    "2",
]
OVER += ["--choice", "main.schedule_every", "'step'", "'epoch'"]


def found(folder):
    return pd.read_csv(folder / "search-transfer" / "table.csv").sort_values("trial")


def _direction(path):
    journal = optuna.storages.journal
    storage = optuna.storages.JournalStorage(journal.JournalFileBackend(str(path)))
    return optuna.load_study(study_name="search", storage=storage).direction.name.lower()


def test_a_value_that_was_none_does_not_hold_the_direction(tmp_path):
    with opened(optuna, tmp_path, smallest=False) as study:
        study.ask()
        study.tell(0, state=optuna.trial.TrialState.FAIL)
    with opened(optuna, tmp_path, smallest=True) as study:
        assert study.direction.name == "MINIMIZE"
        study.ask()
        study.tell(0, 1.0)
    with opened(optuna, tmp_path, smallest=False) as study:
        assert study.direction.name == "MINIMIZE", "whoever goes on with it is refused"


def test_too_few_trials_are_refused_and_leave_nothing(tmp_path, capsys):
    arguments = ["study", "search", "configs/transfer.gin", *OVER, "--trials", "0"]
    assert main([*arguments, "--output-dir", str(tmp_path)]) == 2
    assert "--trials is 0: give 1 or more." in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_search_of_what_cannot_be_bound_leaves_nothing(tmp_path, capsys):
    over = ["--over", "torch.optim.Adam.lrr", "1e-4", "1e-1"]
    arguments = ["study", "search", "configs/transfer.gin", *over, "--output-dir", str(tmp_path)]
    assert main(arguments) == 2
    assert "nothing was run" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # nine runs
def test_a_search_and_the_same_search_interrupted(tmp_path, tiny, in_process, monkeypatch, caplog):
    caplog.set_level("INFO", "fewshot")
    arguments = ["study", "search", "configs/transfer.gin", *tiny, *OVER]
    whole, parts = (["--output-dir", str(tmp_path / name)] for name in ("whole", "parts"))
    assert main([*arguments, *whole, "--trials", "3"]) == 0
    assert "2 of 3 runs are done; about" in caplog.text
    wanted = found(tmp_path / "whole")
    assert len(in_process) == len(wanted) == 3
    rates = wanted["torch.optim.Adam.lr"]
    assert rates.between(1e-4, 1e-1).all()
    assert rates.nunique() == 3
    assert set(wanted["main.num_epochs"]) <= {1, 2}
    config = tmp_path / "whole" / "search-transfer" / "trial-0000-seed0" / "config.gin"
    assert f"torch.optim.Adam.lr = {rates.iloc[0]}" in config.read_text()

    start = runs.start

    def interrupted(command, log, environment):
        if "trial-0001-seed0" in command:
            raise KeyboardInterrupt
        return start(command, log, environment)

    monkeypatch.setattr(runs, "start", interrupted)
    assert main([*arguments, *parts, "--trials", "3"]) == 130
    assert found(tmp_path / "parts")["n"].tolist() == [1, 0], "what is finished so far is told"
    monkeypatch.setattr(runs, "start", start)
    assert main([*arguments, *parts, "--trials", "2"]) == 0
    assert main([*arguments, *parts, "--trials", "3"]) == 0, "and longer"
    pd.testing.assert_frame_equal(
        found(tmp_path / "parts").reset_index(drop=True), wanted.reset_index(drop=True)
    )
    assert len(in_process) == 6


def test_a_trial_that_fails_does_not_end_the_search(tmp_path, tiny, in_process, capsys):
    arguments = ["study", "search", "configs/transfer.gin", *tiny, "--trials", "2"]
    arguments += ["--choice", "FashionDataset.csv_file", "'a.csv'", "'b.csv'"]
    assert main([*arguments, "--output-dir", str(tmp_path)]) == 2
    errors = capsys.readouterr().err
    assert "not completed, for the reasons above: trial-0000-seed0, trial-0001-seed0" in errors


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (["--choice", "ShuffledBatches.batch_size", "8", "0"], "batch_size is 0: it must be from"),
        (["--over", "torch.optim.Adam.rate", "1", "2"], "Adam has no parameter 'rate'"),
        (["--over", "main.seed_of", "1", "2"], "main has no parameter 'seed_of'"),
    ],
)
def test_a_wrong_choice_is_refused_before_any_trial(
    tmp_path, tiny, in_process, capsys, space, text
):
    arguments = ["study", "search", "configs/transfer.gin", *tiny, "--trials", "2", *space]
    assert main([*arguments, "--output-dir", str(tmp_path)]) == 2
    errors = capsys.readouterr().err
    assert "error: nothing was run: " in errors and text in errors
    assert not in_process and not list(tmp_path.glob("*/trial*"))


@pytest.mark.parametrize(
    ("over", "choice", "text"),
    [
        ([["a.b", "1"]], [], "--over a.b 1 is no range: write --over a.b LOW HIGH"),
        ([["a.b", "2", "1"]], [], "is no range"),
        ([["a.b", "0", "1", "log"]], [], "is no range"),
        ([["a.b", "1", "2", "lg"]], [], "is no range"),
        ([["a.b", "@X", "2"]], [], "is no range"),
        ([], [["a.b", "1"]], "--choice a.b names 1 values: name two or more"),
        ([["a.b", "1", "2"]], [["a.b", "1", "2"]], "--over and --choice name one twice"),
        ([], [], "nothing to search for"),
    ],
)
def test_mistakes_are_named(over, choice, text):
    with pytest.raises(UserError, match=text):
        space(over, choice)


def test_without_optuna_the_file_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "optuna", raising=False)
    real = builtins.__import__

    def none(name, *arguments, **keywords):
        if name == "optuna":
            raise ImportError("no module")
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", none)
    with pytest.raises(UserError, match=r"pip install -r requirements-search\.txt"):
        space([["a.b", "1", "2"]], [])


class TestGoingOn:
    """With something else than the search was begun with."""

    SPACE = ("--over", "torch.optim.Adam.lr", "1e-4", "1e-1", "log")
    CHOICE = ("--choice", "main.schedule_every", "'step'", "'epoch'")

    @pytest.fixture
    def search(self, tmp_path, tiny, monkeypatch, capsys):
        """Searches whose trials leave a figure and take no time: (exit code, messages)."""
        place = tmp_path / "search-transfer"

        def completed(_, planned, folder, progress):
            assert math.isnan(progress.seconds_left()), "none has ended"
            for run in planned:
                left = ExperimentFolder(folder / run.name)
                left.path.mkdir(exist_ok=True)
                left.write_text("config.gin", config.load(run.configs, run.bindings).text)
                results = {"validation": {"top1": 0.5, "loss": 1.0}, "test": {"top1": 0.5}}
                left.write_json("results.json", {"status": "completed", **results})
            return []

        monkeypatch.setattr(LocalEngine, "complete", completed)

        def search(*more, space=(*self.SPACE, *self.CHOICE)):
            arguments = ["study", "search", "configs/transfer.gin", *tiny, *space]
            code = main([*arguments, "--output-dir", str(tmp_path), "--trials", "2", *more])
            return code, capsys.readouterr().err

        search.place = place
        return search

    @pytest.mark.parametrize(
        ("space", "text"),
        [
            (
                (*SPACE, *CHOICE, "'never'"),
                "begun with --choice main.schedule_every 'step' 'epoch', now --choice "
                "main.schedule_every 'step' 'epoch' 'never'. Go on as it was begun, or begin",
            ),
            (
                (*SPACE[:-1], *CHOICE),
                "--over torch.optim.Adam.lr of numbers log, now --over torch.optim.Adam.lr of num",
            ),
            (CHOICE, "--over torch.optim.Adam.lr of numbers log, now without"),
            (
                (*SPACE, *CHOICE, "--over", "main.num_epochs", "1", "2"),
                "without main.num_epochs, now --over main.num_epochs of whole numbers",
            ),
        ],
    )
    def test_of_another_space_is_refused(self, search, space, text):
        assert search()[0] == 0
        code, errors = search("--trials", "3", space=space)
        assert (code, text in errors) == (2, True), errors
        assert search("--trials", "3")[0] == 0, "as it was begun it goes on"

    def test_with_a_wider_range_is_no_other_search(self, search):
        assert search()[0] == 0
        wider = [*self.SPACE[:-2], "1.0", "log", *self.CHOICE]
        assert search("--trials", "3", space=wider)[0] == 0

    @pytest.mark.parametrize(
        ("more", "text"),
        [
            (
                ("--figure", "validation/loss"),
                "--figure validation/top1, now --figure validation/l",
            ),
            (("--seed", "1"), "begun with --seed 0, now --seed 1. Go on"),
            (
                ("-p", "torch.optim.Adam.betas = (0.8, 0.9)"),
                "nothing was run: {place}/trial-0000-seed0 and 1 more there hold runs of another "
                "configuration; these lines differ: torch.optim.Adam.betas = (0.8, 0.9). Choose",
            ),
        ],
    )
    def test_by_another_figure_seed_or_binding_is_refused(self, search, more, text):
        assert search()[0] == 0
        code, errors = search("--trials", "3", *more)
        assert (code, text.format(place=search.place) in errors) == (2, True), errors

    def test_after_a_slip_in_the_first_figure_is_none(self, search):
        code, errors = search("--figure", "validation/top3")
        assert (code, "has no figure 'validation/top3'" in errors) == (2, True)
        assert search("--figure", "validation/loss")[0] == 0
        assert _direction(search.place / "search.log") == "minimize"

    @pytest.mark.parametrize(
        "damage",
        [b"{{{\n", b"[]\n", b"null\n", b"\xff\xfe\xff\n", b'{"op_code": 99, "worker_id": "x"}\n'],
        ids=str,
    )  # fmt: skip
    def test_from_a_damaged_file_is_refused_and_without_it_repeats_nothing(self, search, damage):
        assert search()[0] == 0
        told = found(search.place.parent)
        path = search.place / "search.log"
        path.write_bytes(path.read_bytes() + damage)
        code, errors = search("--trials", "3")
        assert (code, "search.log cannot be read" in errors) == (2, True), errors
        assert "remove it, and the same command draws its trials again" in errors
        path.unlink()
        assert search()[0] == 0
        pd.testing.assert_frame_equal(found(search.place.parent), told)

    def test_where_a_line_was_cut_short_draws_that_trial_again(self, search):
        assert search()[0] == 0
        path = search.place / "search.log"
        whole = path.read_bytes()
        lines = whole.splitlines(keepends=True)
        begun = next(n for n, line in enumerate(lines) if n > 6 and b'"op_code":5' in line)
        path.write_bytes(b"".join(lines[:begun]) + lines[begun][:-20])
        assert search()[0] == 0
        assert len(found(search.place.parent)) == 2

    def test_beside_another_process_is_refused(self, search):
        assert search()[0] == 0
        other = FolderLock(search.place)
        code, errors = search()
        other.release()
        assert (code, "is in use: another process" in errors) == (2, True), errors


def test_a_trial_whose_figure_is_no_number_has_failed(tmp_path, tiny, monkeypatch, in_process):
    arguments = ["study", "search", "configs/transfer.gin", *tiny, "--trials", "2"]
    arguments += ["--choice", "main.schedule_every", "'step'", "'epoch'"]
    monkeypatch.setattr("fewshot.studies.search.figure", lambda *_: float("nan"))
    assert main([*arguments, "--output-dir", str(tmp_path)]) == 0
    assert found(tmp_path)["n"].tolist() == [1, 1]
