import pandas as pd
import pytest

from fewshot.__main__ import main
from fewshot.binding import config
from fewshot.binding.locating import REPOSITORY
from fewshot.errors import UserError
from fewshot.studies.plan import read_plan

PLAN = """
title = "A little table"
figures = ["test/top1"]

[[runs]]
name = "pretext"
configs = ["configs/rotation.gin"]
bindings = ["Trainer.keep_every = 1"]

[[runs]]
name = "diverging"
configs = ["configs/rotation.gin"]
bindings = ["RotationNet.angles = (0, 45)"]

[[runs]]
name = "after-diverging"
after = "diverging"
configs = ["configs/linear_probe.gin"]
columns = { from = "nothing" }

[[runs]]
name = "probe"
after = "pretext"
model = "checkpoints/epoch_001.mdl"
configs = ["configs/linear_probe.gin"]
columns = { from = "rotation" }
theirs = { "test/top1" = 0.5 }
"""


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "little.toml"
    path.write_text(PLAN)
    return path


def test_runs_are_completed_and_set_beside_published_figures(
    tmp_path, plan, tiny, in_process, capsys, monkeypatch
):
    arguments = [str(plan), "--output-dir", str(tmp_path), *tiny]
    assert main(["study", "table", *arguments, "--only", "pro*"]) == 0
    assert in_process == ["pretext", "probe"], "the run it starts from comes with it"
    found = pd.read_csv(tmp_path / "little" / "table.csv")
    assert list(found.columns) == ["from", "test/top1", "test/top1, theirs"]
    assert found["from"].tolist() == ["nothing", "rotation"]
    assert found["test/top1"].isna().tolist() == [True, False]
    assert found["test/top1, theirs"].tolist()[1] == 0.5
    assert (tmp_path / "little" / "table.md").read_text().startswith("A little table\n\n| from |")
    config_text = (tmp_path / "little" / "probe" / "config.gin").read_text()
    assert "pretext/checkpoints/epoch_001.mdl" in config_text
    # a run that is refused leaves the others alone, and those that need it out
    assert main(["study", "table", *arguments]) == 2
    assert in_process == ["pretext", "probe"]
    outputs = capsys.readouterr()
    assert "not completed, for the reasons above: diverging, after-diverging." in outputs.err
    monkeypatch.setattr("fewshot.studies.completing.build_engine", None)  # nothing needs one
    assert main(["study", "table", *arguments, "--show"]) == 0
    assert "rotation" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("title", "tilte"), r"lacks title"),
        (('after = "pretext"', 'after = "later"'), r"'probe' .*comes after 'later', which is not"),
        (('name = "probe"', 'name = "pretext"'), r"run 'pretext' of .* is there twice"),
        (
            ('model = "ch', 'modle = "ch'),
            r"run 'probe' of .* has modle, which means nothing: known",
        ),
        (('name = "probe"', 'name = "probe"\nkind = "x"'), r"'probe' of .* has kind, which means"),
        (("[[runs]]", "[[runs"), r"little\.toml is no TOML"),
        (('title = "', "title = 3 #"), r"little\.toml: title is 3, and should be a text\."),
        (('name = "probe"', 'name = "../probe"'), r"name is '\.\./probe', and should be the name"),
        (('name = "probe"', "name = []"), r"name is \[\], and should be the name of a folder"),
        (('model = "ch', "bindings = 3 #"), r"bindings is 3, and should be a list of texts"),
        (("[[runs]]", "x = " + "[" * 5000), r"little\.toml is no TOML"),
        (
            ('name = "probe"', 'name = "probe"\nbeside = "../../evil"'),
            r"beside is '\.\./\.\./evil'",
        ),
        (
            ('model = "ch', 'model = "../ch'),
            r"model is '\.\./ch.*a path inside the folder of the run",
        ),
        (('model = "ch', 'model = "/ch'), r"model is '/ch.*a path inside the folder of the run"),
    ],
)
def test_a_wrong_plan_is_refused(plan, change, text):
    plan.write_text(PLAN.replace(*change))
    with pytest.raises(UserError, match=text):
        read_plan(plan)


def test_a_plan_that_is_not_there_and_names_that_match_nothing(plan, tmp_path, capsys):
    for place in ("nowhere.toml", "."):
        with pytest.raises(UserError, match=r"cannot be read .*: name a \.toml file"):
            read_plan(tmp_path / place)
    assert main(["study", "table", str(plan), "--only", "x*"]) == 2
    assert "--only x* names no run of: pretext, diverging" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("configs/studies/*.toml")), ids=str)
def test_every_plan_of_ours_can_be_read_and_its_configs_loaded(path):
    plan = read_plan(path)
    assert any(run.columns for run in plan.runs.values())
    for run in plan.runs.values():
        config.load(list(run.configs), list(run.bindings))
