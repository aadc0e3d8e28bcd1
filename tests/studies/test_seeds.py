import errno
import os

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fewshot.__main__ import main
from fewshot.errors import UserError
from fewshot.studies import runs
from fewshot.studies.seeds import Arm, planned, summary
from tests.studies.conftest import Ended

A = np.array([0.70, 0.72, 0.69, 0.74])
B = np.array([0.71, 0.75, 0.70, 0.78])


def test_differences_are_paired_and_to_the_first():
    table = summary({"a": A, "b": B}).set_index("experiment")
    wanted = stats.ttest_rel(B, A).confidence_interval(0.95)
    row = table.loc["b"]
    assert row["difference"] - row["difference_ci95"] == pytest.approx(wanted.low)
    assert row["difference"] + row["difference_ci95"] == pytest.approx(wanted.high)
    assert np.isnan(table.loc["a", "difference"])
    assert table["n"].tolist() == [4, 4]


def test_one_seed_has_no_interval_and_one_experiment_no_difference():
    table = summary({"a": A[:1]})
    assert table["mean"].item() == A[0]
    assert table[["sd", "ci95"]].isna().all(axis=None)
    assert "difference" not in table


def test_a_study_of_two_experiments_shares_their_pretraining(tmp_path, tiny, in_process, capsys):
    probe = "configs/rotation.gin:configs/knn_probe.gin"
    arguments = ["configs/rotation.gin", probe, "--seeds", "3", "5", "--figure", "test/knn_top1"]
    arguments += [
        *tiny[:-4],
        "--output-dir",
        str(tmp_path),
        "-p",
        "main.validation_fraction = 0.25",
    ]
    arguments += ["-p", "main.num_epochs = 1"]
    assert main(["study", "seeds", *arguments]) == 0
    assert in_process == [
        *("rotation-seed3", "rotation-seed5"),
        *("rotation+knn_probe-seed3", "rotation+knn_probe-seed5"),
    ]
    place = tmp_path / "seeds-rotation"
    each = pd.read_csv(place / "seeds.csv")
    assert each["seed"].tolist() == [3, 5]
    assert list(each.columns) == ["seed", "rotation", "rotation+knn_probe"]
    assert "| difference |" in (place / "seeds.md").read_text()
    assert "over 2 seeds" in capsys.readouterr().out
    assert "main.seed = 5" in (place / "rotation-seed5" / "config.gin").read_text()


def test_mistakes_are_named(tmp_path, capsys):
    with pytest.raises(UserError, match=r"'a\.gin:' names no experiment: write A\.gin"):
        Arm.parse("a.gin:")
    assert main(["study", "seeds", "a.gin", "b/a.gin"]) == 2
    assert "the experiments name one twice: a, a" in capsys.readouterr().err
    assert main(["study", "seeds", "a.gin", "--seeds", "1", "1"]) == 2
    assert "--seeds name one twice: 1, 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("experiments", "text"),
    [
        (["x/pre.gin:a.gin", "y/pre.gin:b.gin"], "x/pre.gin and y/pre.gin would be one run, pre-"),
        (["x/pre.gin:a.gin", "y/pre.gin"], "x/pre.gin and y/pre.gin would be one run, pre-seed0,"),
        (["a.gin:b.gin", "a+b.gin:a.gin"], "b.gin and a+b.gin would be one run, a+b-seed0, as"),
        (["seed.gin", "a.gin"], "cannot be called 'seed', as its table has the seeds in a column"),
    ],
)
def test_runs_that_only_share_a_name_are_refused(tmp_path, monkeypatch, capsys, experiments, text):
    monkeypatch.chdir(tmp_path)
    for name in ("x/pre.gin", "y/pre.gin", "a.gin", "b.gin", "a+b.gin", "seed.gin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("include 'configs/transfer.gin'\n")
    monkeypatch.setattr("fewshot.studies.seeds.complete_and_tell", lambda *_: None)
    assert main(["study", "seeds", *experiments]) == 2
    assert text in capsys.readouterr().err


def test_one_file_written_in_two_ways_is_one_run(tmp_path, monkeypatch):
    (tmp_path / "pre.gin").touch()
    monkeypatch.chdir(tmp_path)
    pre, probe = str(tmp_path / "pre.gin"), "configs/knn_probe.gin"
    arms = [Arm.parse("pre.gin"), Arm.parse(f"./pre.gin:{probe}"), Arm.parse(f"{pre}:{probe}")]
    runs = planned(arms, [0, 1], [], ["configs/data/photos.gin"])
    assert [run.name for run in runs] == [
        *("pre-seed0", "pre-seed1", "pre+knn_probe-seed0", "pre+knn_probe-seed1")
    ]
    assert {run.after for run in runs} == {None, "pre-seed0", "pre-seed1"}


def test_a_seed_that_is_missing_is_no_seed_of_a_pair():
    table = summary({"a": A, "b": np.array([0.71, np.nan, 0.70, 0.78])}).set_index("experiment")
    wanted = stats.ttest_rel(B[[0, 2, 3]], A[[0, 2, 3]]).confidence_interval(0.95)
    row = table.loc["b"]
    assert (row["n"], row["n_difference"]) == (3, 3)
    assert row["mean"] == pytest.approx(B[[0, 2, 3]].mean())
    assert row["difference"] - row["difference_ci95"] == pytest.approx(wanted.low)
    nothing = summary({"a": np.full(4, np.nan), "b": B}).set_index("experiment")
    assert nothing["n"].tolist() == [0, 4]
    assert nothing["n_difference"].tolist() == [0, 0]
    assert np.isnan(nothing.loc["a", "mean"])


class TestRunsThatFailOrStop:
    @pytest.fixture
    def study(self, tmp_path, tiny, in_process):
        arguments = ["study", "seeds", "configs/transfer.gin", *tiny, "--seeds", "0", "1", "2"]
        study = [*arguments, "--output-dir", str(tmp_path)]
        return lambda *more: main([*study, *more])

    def stopped_at(self, monkeypatch, name, how):
        start = runs.start

        def stopping(command, log, environment):
            if name in command:
                if how is KeyboardInterrupt:
                    raise KeyboardInterrupt
                log.write_text("")
                return Ended(how)
            return start(command, log, environment)

        monkeypatch.setattr(runs, "start", stopping)

    @pytest.mark.parametrize(
        ("how", "code", "there"),
        [(2, 2, [True, False, True]), (KeyboardInterrupt, 130, [True, False, False])],
    )
    def test_those_that_are_finished_are_told_with_their_number(
        self, study, tmp_path, monkeypatch, capsys, how, code, there
    ):
        with monkeypatch.context() as patched:
            self.stopped_at(patched, "transfer-seed1", how)
            assert study() == code
        each = pd.read_csv(tmp_path / "seeds-transfer" / "seeds.csv")
        assert each["seed"].tolist() == [0, 1, 2]
        assert each["transfer"].notna().tolist() == there
        told = capsys.readouterr()
        assert "| transfer" in (tmp_path / "seeds-transfer" / "seeds.md").read_text()
        assert "everything is in" in told.out
        if code == 2:
            assert "not completed, for the reasons above: transfer-seed1." in told.err
        assert study() == 0
        assert pd.read_csv(tmp_path / "seeds-transfer" / "seeds.csv").notna().all(axis=None)

    def test_what_keeps_them_from_being_told_is_said(self, study, monkeypatch, caplog):
        self.stopped_at(monkeypatch, "transfer-seed1", KeyboardInterrupt)
        assert study("--figure", "test/top3") == 130
        assert "what is finished cannot be told: " in caplog.text
        assert "has no figure 'test/top3'" in caplog.text

    def test_without_any_there_is_no_table(self, study, tmp_path, monkeypatch, capsys):
        with monkeypatch.context() as patched:
            self.stopped_at(patched, "transfer-seed0", KeyboardInterrupt)
            assert study() == 130
        assert study("-p", "FashionDataset.csv_file = 'nowhere.csv'") == 2
        told = "error: not completed, for the reasons above: transfer-seed0, transfer-seed1, tra"
        assert told in capsys.readouterr().err
        assert not (tmp_path / "seeds-transfer" / "seeds.csv").exists()

    @pytest.mark.parametrize(
        ("wrong", "text"),
        [
            (("-p", "ShuffledBatches.batch_size = -1"), "batch_size is -1: it must be from 1 to"),
            (("-c", "nowhere.gin"), "there is no config file 'nowhere.gin'"),
            (("--seeds", "-1"), "main.seed is -1: it must be from 0 to"),
        ],
    )
    def test_what_is_wrong_is_said_before_any_run(
        self, study, in_process, tmp_path, capsys, wrong, text
    ):
        assert study(*wrong) == 2
        told = capsys.readouterr().err
        assert "error: " in told and text in told
        assert not in_process and not (tmp_path / "seeds-transfer").exists()

    def test_a_table_is_written_whole_or_stays_as_it_was(
        self, study, tmp_path, monkeypatch, capsys
    ):
        assert study() == 0
        place = tmp_path / "seeds-transfer"
        before = {name: (place / name).read_text() for name in ("seeds.csv", "seeds.md")}

        def full(_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr("fewshot.experiment.files.os.fsync", full)
        assert study("--figure", "test/loss") == 2
        assert "seeds.csv cannot be written (No space left" in capsys.readouterr().err
        assert {name: (place / name).read_text() for name in before} == before
        assert not list(place.glob(".*part*"))
