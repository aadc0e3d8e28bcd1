import pytest

from fewshot.__main__ import main

BOUND = ["-p", "main.seed=3"]


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [
        (["seeds", "configs/transfer.gin", *BOUND], "--seeds"),
        (["few_shot", "configs/transfer.gin", *BOUND], "--seeds"),
        (["grid", "configs/transfer.gin", "--vary", "A.b", "1", *BOUND], "--seeds"),
        (["grid", "configs/transfer.gin", "--vary", "main.seed", "1", "2"], "--seeds"),
        (["search", "configs/transfer.gin", "--over", "A.b", "1", "2", *BOUND], "--seed"),
        (["search", "configs/transfer.gin", "--over", "main.seed", "1", "2"], "--seed"),
        (["label_budget", *BOUND], "LabelBudget.seeds"),
    ],
)
def test_a_seed_that_would_reach_no_run_is_refused(arguments, instead, tmp_path, capsys):
    assert main(["study", *arguments, "--output-dir", str(tmp_path / "out")]) == 2
    told = f"main.seed would reach no run, since the study gives each its own: name {instead}."
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
