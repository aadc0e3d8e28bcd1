import pytest

from fewshot.__main__ import main
from fewshot.studies.arguments import refuse_seed

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
        (["seeds", "configs/transfer.gin", "-p", "fewshot.main.main.seed = 3"], "--seeds"),
        (["seeds", "configs/transfer.gin", "-p", "main.main.seed = 3"], "--seeds"),
        (["grid", "configs/transfer.gin", "--vary", "main.main.seed", "1", "2"], "--seeds"),
    ],
)
def test_a_seed_that_would_reach_no_run_is_refused(arguments, instead, tmp_path, capsys):
    assert main(["study", *arguments, "--output-dir", str(tmp_path / "out")]) == 2
    told = f"main.seed would reach no run, since the study gives each its own: name {instead}."
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [
        (["seeds", "configs/transfer.gin"], "--seeds"),
        (["few_shot", "configs/transfer.gin"], "--seeds"),
        (["grid", "configs/transfer.gin", "--vary", "A.b", "1"], "--seeds"),
        (["search", "configs/transfer.gin", "--over", "A.b", "1", "2"], "--seed"),
        (["label_budget"], "LabelBudget.seeds"),
    ],
)
def test_so_is_one_in_a_config_behind_every_run(arguments, instead, tmp_path, capsys):
    more, inner = tmp_path / "more.gin", tmp_path / "inner.gin"
    more.write_text(f"include '{inner}'\n")
    inner.write_text("main.num_epochs = 1\nmain.main.seed = 3\n")
    out = tmp_path / "out"
    assert main(["study", *arguments, "-c", str(more), "--output-dir", str(out)]) == 2
    told = (
        f"main.seed in {inner}:2 would reach no run, since the study gives each its own: remove it "
        f"there, and name {instead}."
    )
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_an_experiment_may_have_one_of_its_own(tmp_path, monkeypatch):
    """As a run's config.gin has, which may be run again with other seeds."""
    path = tmp_path / "config.gin"
    path.write_text("main.seed = 3\n")
    going = []
    monkeypatch.setattr(
        "fewshot.studies.seeds.complete_and_tell", lambda _, runs, *__: going.extend(runs)
    )
    assert main(["study", "seeds", str(path), "--seeds", "1", "2"]) == 0
    assert [run.bindings for run in going] == [["main.seed = 1"], ["main.seed = 2"]]


def test_what_cannot_be_read_is_left_to_the_runs():
    refuse_seed(["main.num_epochs = 2", "no.such = 1", "no_such", "="], ["none.gin"], "--seeds")
