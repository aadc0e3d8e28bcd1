import builtins
import sys

import pandas as pd
import pytest

from fewshot.__main__ import main
from fewshot.errors import UserError
from fewshot.studies import runs
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


@pytest.mark.slow  # nine runs
def test_a_search_and_the_same_search_interrupted(tmp_path, tiny, in_process, monkeypatch):
    arguments = ["study", "search", "configs/transfer.gin", *tiny, *OVER]
    whole, parts = (["--output-dir", str(tmp_path / name)] for name in ("whole", "parts"))
    assert main([*arguments, *whole, "--trials", "3"]) == 0
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
    monkeypatch.setattr(runs, "start", start)
    assert main([*arguments, *parts, "--trials", "2"]) == 0
    assert main([*arguments, *parts, "--trials", "3"]) == 0, "and longer"
    pd.testing.assert_frame_equal(
        found(tmp_path / "parts").reset_index(drop=True), wanted.reset_index(drop=True)
    )
    assert len(in_process) == 6


def test_a_trial_that_fails_does_not_end_the_search(tmp_path, tiny, in_process, capsys):
    arguments = ["study", "search", "configs/transfer.gin", *tiny, "--trials", "2"]
    arguments += ["--choice", "ShuffledBatches.batch_size", "0", "-1"]
    assert main([*arguments, "--output-dir", str(tmp_path)]) == 2
    errors = capsys.readouterr().err
    assert "not completed, for the reasons above: trial-0000-seed0, trial-0001-seed0" in errors


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
