import re

import pytest

from fewshot.binding import config
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.studies.figures import figure
from fewshot.studies.finished import finished, folder_of, refuse_others
from fewshot.studies.plan import PlannedRun


@pytest.fixture(autouse=True)
def heard(monkeypatch):
    """The warnings."""
    told = []
    monkeypatch.setattr(
        "fewshot.studies.finished.logger.warning", lambda text, *values: told.append(text % values)
    )
    return told


@pytest.fixture
def plan():
    first = PlannedRun("first", ["configs/rotation.gin"])
    others = [
        PlannedRun(name, ["configs/linear_probe.gin"], [f"main.seed = {seed}"], after="first",
                   columns={"seed": seed})
        for seed, name in enumerate(["a", "b", "c"])
    ]  # fmt: skip
    return [first, *others]


@pytest.fixture
def place(plan, tmp_path):
    """A study of which all is completed."""
    for run in plan:
        asked = run.run()
        if run.after:
            asked = asked.with_model(tmp_path / "first" / "model.mdl")
        folder = ExperimentFolder(tmp_path / run.name)
        folder.create()
        folder.write_text("config.gin", config.load(asked.configs, asked.bindings).text)
        folder.write_json("results.json", {"status": "completed", "test": {"top1": 0.5}})
        folder.release()
    return tmp_path


def top1(_, folder):
    return figure(folder, "test/top1")


def test_what_is_completed_as_asked_is_told(plan, place, heard):
    found = finished(plan, place)
    assert found.read(top1) == {"a": 0.5, "b": 0.5, "c": 0.5}
    assert [run.name for run in finished(plan, place, without=["b"]).runs] == ["a", "c"]
    (place / "c" / "results.json").write_text('{"status": "interrupted"}')
    assert [run.name for run in finished(plan, place).runs] == ["a", "b"]
    refuse_others(plan, place)
    assert (heard, found.left_out) == ([], [])


def test_runs_of_another_configuration_are_left_out_with_one_message(plan, place, heard):
    asked = [run.with_more((), ["torch.optim.Adam.lr = 0.5"]) for run in plan]
    found = finished([asked[0], *asked[1:3], plan[3]], place)
    assert ([run.name for run in found.runs], found.left_out) == (["c"], ["a", "b"])
    assert len(heard) == 1
    assert heard[0].startswith(
        f"left out: {place}/a and 1 more there hold runs of another configuration; these lines "
        "differ: torch.optim.Adam.lr = "
    )
    assert heard[0].endswith("Choose another --name or --output-dir, or remove those folders.")
    told = f"nothing was run: {place}/first holds a run of .*{place}/a and 2 more there hold runs"
    with pytest.raises(UserError, match=told):
        refuse_others(asked, place)


def test_another_pretraining_is_another_configuration(plan, place, heard):
    other = PlannedRun("other", ["configs/rotation.gin"])
    asked = [other, *(PlannedRun(r.name, r.configs, r.bindings, "other", columns=r.columns)
                      for r in plan[1:])]  # fmt: skip
    assert finished(asked, place).left_out == ["a", "b", "c"]
    assert "other/model.mdl" in heard[0]


def test_what_was_written_in_other_words_is_the_same(plan, place):
    path = place / "a" / "config.gin"
    path.write_text("# of an older version\n" + path.read_text())
    assert len(finished(plan, place).runs) == 3


@pytest.mark.parametrize(
    ("file", "content", "text"),
    [
        ("results.json", "{", "b is left out: .*results.json cannot be read .*: remove the folder"),
        ("results.json", '{"status": "completed"}', "b is left out: .*has no figure 'test/top1'"),
        ("config.gin", "a.b.c.d", "b is left out: .*b/config.gin:1"),
        ("config.gin", None, "b is left out: .*config.gin cannot be read .*: remove the folder"),
    ],
)
def test_what_cannot_be_read_is_named_and_left_out(plan, place, heard, file, content, text):
    (place / "b" / file).unlink()
    if content is not None:
        (place / "b" / file).write_text(content)
    found = finished(plan, place)
    assert found.read(top1) == {"a": 0.5, "c": 0.5}
    assert found.left_out == ["b"]
    assert len(heard) == 1
    assert re.match(text, heard[0]), heard


def test_what_no_run_has_is_no_damage(plan, place):
    with pytest.raises(UserError, match=r"a/results\.json has no figure 'test/top3'"):
        finished(plan, place).read(lambda _, folder: figure(folder, "test/top3"))


def test_a_run_beside_the_study_stands_there(tmp_path):
    run = PlannedRun("x", [], beside="pretrained")
    assert folder_of(run, tmp_path / "study").path == tmp_path / "pretrained" / "x"
