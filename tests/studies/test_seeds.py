import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fewshot.__main__ import main
from fewshot.errors import UserError
from fewshot.studies.seeds import Arm, summary

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
