"""A search whose trials were damaged, removed or failed, and the same command once more."""

import shutil

import pandas as pd
import pytest

import experiment
from fewshot.__main__ import main
from fewshot.binding import config
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.studies import runs
from fewshot.studies.engines.forked import Template
from tests.studies.conftest import Ended


class Searches:
    """(exit code, messages) of a search whose trials take no time.

    made: names of the trials that the last call computed; failing: of those that do not succeed.
    """

    def __init__(self, tmp_path, arguments, capsys):
        self.place, self.arguments, self.capsys = tmp_path / "search-transfer", arguments, capsys
        self.made, self.failing = [], set()

    def start(self, command, log, _environment):
        given = experiment.parse(command[2:])
        left = ExperimentFolder(self.place / (given.name or given.resume.rpartition("/")[2]))
        left.path.mkdir(exist_ok=True)
        if given.name:
            left.write_text("config.gin", config.load(given.config, given.parameter).text)
        self.made.append(left.name)
        log.write_text("")
        if left.name in self.failing:
            return Ended(1)
        value = (1 + len(self.made)) / 10
        left.write_json("results.json", {"status": "completed", "validation": {"top1": value}})
        return Ended(0)

    def __call__(self, trials):
        del self.made[:]
        code = main([*self.arguments, "--trials", str(trials)])
        return code, self.capsys.readouterr().err

    def told(self):
        """The figures of the table, nan where there is none, by trial."""
        table = pd.read_csv(self.place / "table.csv").sort_values("trial")
        return table["validation/top1"].tolist()


@pytest.fixture
def search(tmp_path, tiny, monkeypatch, capsys):
    arguments = ["study", "search", "configs/transfer.gin", *tiny, "--told", "validation/top1"]
    arguments += ["--over", "torch.optim.Adam.lr", "1e-4", "1e-1", "log"]
    searches = Searches(tmp_path, [*arguments, "--output-dir", str(tmp_path)], capsys)
    monkeypatch.setattr(Template, "start", lambda *_: None)
    monkeypatch.setattr(runs, "start", searches.start)
    return searches


def test_what_cannot_be_read_is_named_and_all_else_told(search, caplog):
    assert search(3)[0] == 0
    (search.place / "trial-0001-seed0" / "results.json").write_text("{")
    code, errors = search(4)
    assert (code, search.made) == (2, ["trial-0003-seed0"])
    assert "not completed, for the reasons above: trial-0001-seed0." in errors
    assert "trial-0001-seed0/results.json cannot be read" in caplog.text
    assert "remove the folder and run it again" in caplog.text
    assert [f"{value:.1f}" for value in search.told()] == ["0.2", "nan", "0.4", "0.2"]


def test_a_trial_whose_folder_was_removed_is_computed_as_it_was_drawn(search):
    assert search(3)[0] == 0
    was = (search.place / "trial-0001-seed0" / "config.gin").read_text()
    shutil.rmtree(search.place / "trial-0001-seed0")
    assert search(3)[0] == 0
    assert search.made == ["trial-0001-seed0"]
    assert (search.place / "trial-0001-seed0" / "config.gin").read_text() == was
    assert search(3)[0] == 0
    assert search.made == []


def test_a_trial_that_failed_for_a_passing_reason_is_tried_again(search):
    search.failing = {"trial-0001-seed0"}
    code, errors = search(3)
    assert (code, len(search.made)) == (2, 3)
    assert "not completed, for the reasons above: trial-0001-seed0." in errors
    search.failing = set()
    assert search(3)[0] == 0
    assert search.made == ["trial-0001-seed0"]
    told = (search.place / "search.log").read_text().count('"values":[0')
    assert told == 3, "the search knows what it came to"
