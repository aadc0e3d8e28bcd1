"""A whole little study, in this process; interrupted or made larger, it tells the same."""

import re

import pandas as pd
import pytest

from fewshot.__main__ import main
from fewshot.errors import UserError
from fewshot.studies import label_budget, runs
from fewshot.studies.designs.label_budget import LabelBudget
from tests.studies.budget_runs import whole_study

STUDY = """
LabelBudget.pretext = {'rotation': ['configs/rotation.gin', '%(folder)s/pretraining.gin']}
LabelBudget.training = ['configs/label_budget/training.gin', '%(folder)s/training.gin']
LabelBudget.probing = ['configs/label_budget/probing.gin']
LabelBudget.budgets = (1, 4)
LabelBudget.seeds = (0, 1)
"""


@pytest.fixture
def arguments(shop, tmp_path):
    (tmp_path / "pretraining.gin").write_text(
        "include 'configs/label_budget/pretraining.gin'\n"
        "main.num_epochs = 1\nShuffledBatches.batch_size = 16\n"
    )
    (tmp_path / "training.gin").write_text("main.num_epochs = 1\nRepeatedBatches.steps = 3\n")
    (tmp_path / "little.gin").write_text(STUDY % {"folder": tmp_path})
    (tmp_path / "shop.gin").write_text("\n".join([*shop.bindings(), "SmallResNet.widths = (8,)"]))
    files = [part for name in ("little", "shop") for part in ("-c", str(tmp_path / f"{name}.gin"))]
    return ["study", "label_budget", *files, "-p", "Hardware.precision = '32-true'"]


def outputs(place):
    return [(place / name).read_text() for name in ("runs.csv", "paired.csv", "labels_worth.csv")]


@pytest.mark.slow  # two dozen runs
def test_a_study_and_the_same_study_interrupted(
    arguments, tmp_path, in_process, monkeypatch, capsys
):
    assert main([*arguments, "--output-dir", str(tmp_path / "whole")]) == 0
    place = tmp_path / "whole" / "little-shop"
    console = capsys.readouterr().out
    found = pd.read_csv(place / "runs.csv", dtype={"budget": str})
    assert len(found) == 2 * 2 * 2 * 4
    assert found.groupby(["method", "way", "budget"]).size().unique().tolist() == [2]
    counts = found.groupby("budget")[["rows", "smallest_class", "labels"]].agg(["min", "max"])
    assert counts.loc["4"].tolist() == [12, 12, 4, 4, 4.0, 4.0]
    assert counts.loc["1", "rows"].tolist() == [3, 3]
    paired = pd.read_csv(place / "paired.csv")
    assert paired["n"].unique().tolist() == [2]
    assert "With rotation, 4 labels a class do what" in console
    assert "- With rotation, 4 labels a class do what" in (place / "study.md").read_text()
    assert (place / "curves.png").read_bytes()[:4] == b"\x89PNG"
    made = list(in_process)
    pretrained = [name for name in made if name.startswith("rotation-") and "seed" not in name]
    assert len(pretrained) == len(set(pretrained)) == 2
    assert sorted(p.name for p in (tmp_path / "whole" / "pretrained").iterdir()) == sorted(
        pretrained
    )

    start, count = runs.start, iter(range(100))

    def interrupted(command, log, environment):
        if next(count) == 6:
            raise KeyboardInterrupt
        return start(command, log, environment)

    monkeypatch.setattr(runs, "start", interrupted)
    again = [*arguments, "--output-dir", str(tmp_path / "parts")]
    assert main(again) == 130
    assert "interrupted; go on with the same command" in capsys.readouterr().err
    part = pd.read_csv(tmp_path / "parts" / "little-shop" / "runs.csv")
    assert 0 < len(part) < len(found), "what is finished so far is told"
    with monkeypatch.context() as patched:
        patched.setattr("fewshot.studies.completing.build_engine", None)  # nothing needs one
        assert main([*again, "--show"]) == 0
    assert len(pd.read_csv(tmp_path / "parts" / "little-shop" / "runs.csv")) == len(part)
    assert main(again) == 0
    assert outputs(tmp_path / "parts" / "little-shop") == outputs(place)
    assert sorted(in_process) == sorted([*made, *made]), "no finished run is repeated"


@pytest.mark.slow  # a dozen runs
def test_what_is_damaged_or_anothers_is_named_and_the_rest_told(
    arguments, tmp_path, in_process, capsys, caplog
):
    one = [*arguments, "-p", "LabelBudget.seeds = (0,)", "--output-dir", str(tmp_path / "out")]
    assert main(one) == 0
    place = tmp_path / "out" / "little-shop"
    whole = pd.read_csv(place / "runs.csv")
    capsys.readouterr()
    (place / "scratch-1-seed0" / "per_class.csv").write_text("class,n\nBags,3\n")
    (place / "rotation-4-seed0" / "per_class.csv").unlink()
    (place / "rotation-1-seed0" / "results.json").write_text("{")
    probe = place / "scratch-probe-1_4-seed0" / "results.json"
    probe.write_text(probe.read_text().replace('"label_budgets"', '"budgets"'))
    assert main([*one, "--show"]) == 2
    for text in (
        "scratch-1-seed0/per_class.csv does not hold what the study tells (it has no 'n_train')",
        "rotation-4-seed0/per_class.csv does not hold what the study tells (No such file",
        "rotation-1-seed0/results.json cannot be read",
        "results.json does not hold what the study tells (it has no 'label_budgets'): remove the "
        "run's folder, and the same command runs it again.",
    ):
        assert text in caplog.text
    assert "error: left out, for the reasons above: rotation-1-seed0, " in capsys.readouterr().err
    left = pd.read_csv(place / "runs.csv")
    assert len(left) == len(whole) - 3 - 3 * 2
    kept = whole[whole["folder"].isin(left["folder"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(left, kept)

    made = len(in_process)
    other = [*one, "-p", "torch.optim.Adam.lr = 0.5"]
    assert main([*other, "--show"]) == 2
    told = (
        r"these lines differ: torch\.optim\.Adam\.lr = [\d.]+; torch\.optim\.Adam\.lr = 0\.5\. Ch"
    )
    assert re.search(told, caplog.text)
    told = (
        "has no completed run to tell of: those that it has are left out, see above: give the -c "
    )
    assert told in capsys.readouterr().err
    assert main(other) == 2
    assert "error: nothing was run: " in capsys.readouterr().err
    assert len(in_process) == made


@pytest.mark.slow  # two dozen runs
def test_a_budget_and_a_seed_more_take_only_what_is_new(arguments, tmp_path, in_process):
    fewer = ["-p", "LabelBudget.budgets = (4,)", "-p", "LabelBudget.seeds = (0,)"]
    grown = [*arguments, "--output-dir", str(tmp_path / "grown")]
    assert main([*grown, *fewer]) == 0
    small = list(in_process)
    assert main(grown) == 0
    assert len(in_process) == len(set(in_process)), "no run is repeated"
    new = in_process[len(small) :]
    assert len(new) == 2 * 2 + 1 + 2 * (1 + 2), "a probe and a training a method; the other seed"
    assert "rotation-probe-1-seed0" in new
    assert main([*arguments, "--output-dir", str(tmp_path / "whole")]) == 0
    whole, parts = (outputs(tmp_path / name / "little-shop") for name in ("whole", "grown"))
    assert whole[1:] == parts[1:]


def test_nothing_to_show_and_a_failed_run(arguments, tmp_path, in_process, capsys):
    place = ["--output-dir", str(tmp_path / "out")]
    assert main([*arguments, *place, "--show"]) == 2
    assert (
        "has no completed run to tell of: run the study without --show" in capsys.readouterr().err
    )
    few = ["-p", "LabelBudget.seeds = (0,)", "-p", "RotationNet.angles = (0, 45)"]
    assert main([*arguments, *place, *few, "--jobs", "2"]) == 2
    errors = capsys.readouterr().err
    assert "not completed, for the reasons above: rotation-" in errors
    found = pd.read_csv(tmp_path / "out" / "little-shop" / "runs.csv")
    assert found["method"].unique().tolist() == ["scratch"], "the others are not kept from running"


def reported(found, place):
    design = LabelBudget({"rotation": ["a.gin"]}, ["b.gin"], ["c.gin"], budgets=(1, 2, 5, 10))
    return label_budget.report(design, found, place)


def test_the_report_of_what_there_is_can_be_made_again(tmp_path, monkeypatch):
    found = whole_study()
    told = reported(found, tmp_path)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(kept) == ["curves.png", "labels_worth.csv", "paired.csv", "runs.csv", "study.md"]
    assert reported(found, tmp_path) == told
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept
    assert told.startswith("Fine-tuned with 10 labels a class") and told in _unlisted(
        kept["study.md"].decode()
    )

    def full(*_given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(label_budget, "draw_curves", full)
    with pytest.raises(UserError, match=r"curves\.png"):
        reported(found, tmp_path)
    assert (tmp_path / "curves.png").read_bytes() == kept["curves.png"], "not half of a new one"


def _unlisted(text):
    lines = [line.removeprefix("- ") for line in text.splitlines() if line]
    return "\n".join(lines)


def test_of_a_study_without_scratch_yet_the_means_are_told(tmp_path):
    found = whole_study()
    told = reported(found[found["method"] == "rotation"], tmp_path)
    assert "labels a class" in told and "rotation" in told and "scratch" not in told
    assert (tmp_path / "labels_worth.csv").read_text().strip() == ""
