import argparse
import json
import re

import numpy as np
import pandas as pd
import pytest

from fewshot.__main__ import main
from fewshot.commands.study.few_shot import default_encoders
from fewshot.errors import UserError
from fewshot.evaluation.intervals import over_runs
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.studies import few_shot


def figure(mean, ci95=0.01):
    return {"mean": mean, "ci95": ci95, "n": 400}


def novel(value):
    return {
        "n": 50,
        "inductive": {"5way_1shot": {"SimpleShot": figure(value)}},
        "transductive": {"5way_1shot": {"BDCSPN": figure(value + 0.1, 0.03)}},
    }


@pytest.fixture
def finished(monkeypatch, tmp_path):
    """Runs are not started: each leaves figures made of its name and is remembered."""
    started = []
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "refused"):
        (tmp_path / f"{name}.gin").write_text("main.objective = @TransferNet")

    def complete(run, output_dir):
        if "refused" in run.name:
            raise UserError("the run was refused.")
        started.append(run)
        folder = ExperimentFolder(output_dir / run.name)
        folder.path.mkdir(parents=True, exist_ok=True)
        value = 0.5 + 0.1 * int(run.name[-1]) + 0.01 * ("draw" in run.name)
        folder.results.write_text(json.dumps({"status": "completed", "novel": novel(value)}))
        return folder

    monkeypatch.setattr(few_shot, "complete", complete)
    return started


@pytest.fixture
def splits(tmp_path):
    for name in ("frequent", "draw0"):
        (tmp_path / name).mkdir()
        for csv in ("base.csv", "novel.csv"):
            (tmp_path / name / csv).touch()
    return [str(tmp_path / name) for name in ("frequent", "draw0")]


def test_the_study_writes_one_table_for_each_kind_and_setting(finished, splits, tmp_path, capsys):
    arguments = ["a.gin", "b.gin", "--seeds", "0", "1", "2", "--output-dir", str(tmp_path)]
    more = ["--splits", *splits, "-p", "main.num_epochs = 1"]
    assert main(["study", "few_shot", *arguments, *more]) == 0
    assert len(finished) == 12
    assert [run.name for run in finished[:3]] == [
        "a-frequent-seed0", "b-frequent-seed0", "a-draw0-seed0",
    ]  # fmt: skip
    assert finished[2].bindings == [
        "main.num_epochs = 1",
        "main.seed = 0",
        f"FashionDataset.csv_file = '{splits[1]}/base.csv'",
        f"novel/FashionDataset.csv_file = '{splits[1]}/novel.csv'",
    ]
    kinds = [
        pd.read_csv(tmp_path / "few_shot" / f"few_shot_{kind}.csv")
        for kind in ("inductive", "transductive")
    ]
    assert [set(table["head"]) for table in kinds] == [{"SimpleShot"}, {"BDCSPN"}]
    assert [len(table) for table in kinds] == [2, 2]
    row = kinds[1].query("encoder == 'b'").iloc[0]
    assert row["mean"] == pytest.approx(0.705)
    assert row["ci95_episodes"] == pytest.approx(0.03)
    assert row["ci95_seeds"] == pytest.approx(over_runs(np.array([0.605, 0.705, 0.805]))[2])
    assert row["ci95_splits"] == pytest.approx(over_runs(np.array([0.70, 0.71]))[2])
    assert row[["n_episodes", "n_seeds", "n_splits"]].tolist() == [400, 3, 2]
    text = (tmp_path / "few_shot" / "few_shot.md").read_text()
    inductive, transductive = re.split("## 5-way 1-shot, transductive heads", text)
    assert "## 5-way 1-shot, inductive heads" in inductive
    assert "SimpleShot" in inductive
    assert "BDCSPN" not in inductive
    assert "SimpleShot" not in transductive
    assert "BDCSPN" in capsys.readouterr().out


def runs(encoder, split, seed, mean):
    return {
        "kind": "inductive", "setting": "5way_1shot", "head": "SimpleShot", "mean": mean,
        "ci95": 0.01, "n": 400, "encoder": encoder, "split": split, "seed": seed,
    }  # fmt: skip


def test_an_interrupted_study_tells_of_what_is_finished(finished, tmp_path, monkeypatch):
    complete = few_shot.complete

    def interrupted(run, output_dir):
        if run.name == "b-seed1":
            raise KeyboardInterrupt
        return complete(run, output_dir)

    monkeypatch.setattr(few_shot, "complete", interrupted)
    arguments = ["a.gin", "b.gin", "--seeds", "0", "1", "--output-dir", str(tmp_path)]
    assert main(["study", "few_shot", *arguments]) == 130
    table = pd.read_csv(tmp_path / "few_shot" / "few_shot_inductive.csv")
    assert table["n_runs"].tolist() == [2, 1]


def test_differences_are_of_the_same_split_and_seed():
    found = pd.DataFrame(
        [runs("a", f"s{i}", 0, value) for i, value in enumerate((0.2, 0.5, 0.8))]
        + [runs("b", f"s{i}", 0, value) for i, value in enumerate((0.31, 0.6, 0.89))]
        + [runs("c", "s9", 0, 0.5)]
    )
    table = few_shot.summary(found).set_index("encoder")
    assert table.loc["b", "difference"] == pytest.approx(0.1)
    gains = np.array([0.11, 0.10, 0.09])
    assert table.loc["b", "difference_ci95"] == pytest.approx(over_runs(gains)[2])
    assert table.loc[["a", "c"], "difference"].isna().all()
    alone = few_shot.summary(found[found["encoder"] == "a"])
    assert "difference" not in alone


def test_differences_on_one_split_are_over_seeds():
    found = pd.DataFrame(
        [runs("a", "", seed, 0.5) for seed in range(2)]
        + [runs("b", "", seed, 0.6 + seed / 100) for seed in range(2)]
    )
    row = few_shot.summary(found).set_index("encoder").loc["b"]
    assert row["difference"] == pytest.approx(0.105)
    assert row["difference_ci95"] == pytest.approx(over_runs(np.array([0.1, 0.11]))[2])


def test_without_splits_the_configs_say_which(finished, tmp_path):
    assert main(["study", "few_shot", "a.gin", "--seeds", "4", "--output-dir", str(tmp_path)]) == 0
    assert [run.name for run in finished] == ["a-seed4"]
    assert finished[0].bindings == ["main.seed = 4"]
    table = pd.read_csv(tmp_path / "few_shot" / "few_shot_inductive.csv")
    assert table[["ci95_seeds", "ci95_splits"]].isna().all(axis=None)


def test_a_refused_run_does_not_keep_the_others_from_running(finished, tmp_path, capsys):
    arguments = ["refused.gin", "a.gin", "--seeds", "0", "--output-dir", str(tmp_path)]
    assert main(["study", "few_shot", *arguments]) == 2
    assert [run.name for run in finished] == ["a-seed0"]
    assert "not completed, for the reasons above: refused-seed0." in capsys.readouterr().err
    assert (tmp_path / "few_shot" / "few_shot_inductive.csv").is_file()


def test_a_config_that_is_none_is_refused_before_any_run(finished, tmp_path, capsys):
    arguments = ["a.gin", "nowhere.gin", "--seeds", "0", "--output-dir", str(tmp_path)]
    assert main(["study", "few_shot", *arguments]) == 2
    assert "nothing was run: there is no config file 'nowhere.gin'" in capsys.readouterr().err
    assert not finished


def test_by_default_the_table_has_every_encoder_and_three_seeds():
    given = argparse.Namespace(encoders=default_encoders(True), seeds=[0, 1, 2], splits=[])
    few_shot.check(given)
    runs = list(few_shot.planned(given.encoders, given.seeds, given.splits))
    assert len(runs) == 9 * 3
    assert {what["encoder"] for what, _ in runs} >= {"supervised", "prototypical", "contrastive"}


def test_on_other_splits_the_row_that_adds_a_csv_of_one_split_is_left_out(tmp_path):
    given = argparse.Namespace(encoders=default_encoders(False), seeds=[0], splits=[tmp_path])
    assert len(given.encoders) == 8
    assert not any("best" in config for config in given.encoders)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "1", "1"], "--seeds name one twice: 1, 1."),
        (["x/a.gin", "y/a.gin"], "the experiments name one twice: a, a."),
        (["--splits", "nowhere"], "nowhere has no base.csv and no novel.csv: make them with "),
    ],
)
def test_mistakes_are_named(arguments, message, capsys):
    assert main(["study", "few_shot", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_run_without_episodes_is_named(tmp_path):
    folder = ExperimentFolder(tmp_path)
    folder.results.write_text(json.dumps({"status": "completed", "test": {"top1": 0.5}}))
    with pytest.raises(UserError, match=r"has no few-shot figures: its config needs main\.evalua"):
        few_shot.accuracies(folder)
