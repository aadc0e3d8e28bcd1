import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fewshot.binding import config
from fewshot.binding.locating import REPOSITORY
from fewshot.data.loading import load_data
from fewshot.data.selection import SelectRows
from fewshot.errors import UserError
from fewshot.evaluation.classification_metrics import classify
from fewshot.evaluation.ranking import ranked
from fewshot.evaluation.split_rows import SplitRows
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.studies.designs.described import read_design
from fewshot.studies.designs.label_budget import FIGURES, LabelBudget, content_key
from fewshot.studies.designs.probes import named, probes
from fewshot.studies.finished import refuse_others

PARTS = {
    "pretext": {"rotation": ["configs/rotation.gin"], "simclr": ["configs/simclr.gin"]},
    "training": ["configs/label_budget/training.gin"],
    "probing": ["configs/label_budget/probing.gin"],
}


def design(**more):
    return LabelBudget(**{**PARTS, "budgets": (1, 10, None), "seeds": (0, 1), **more})


def test_an_encoder_is_pretrained_once_a_seed_and_shared_by_all_that_need_it():
    runs = list(design().runs())
    pretraining = [run for run in runs if run.beside]
    assert len(pretraining) == 2 * 2
    assert all(run.beside == "pretrained" and run.after is None for run in pretraining)
    for run in pretraining:
        using = [other for other in runs if other.after == run.name]
        assert len(using) == 1 + 3, "the probe and the budgets"
        assert {other.bindings[0] for other in using} == set(run.bindings), "of the same seed"
    assert len(runs) == len({run.name for run in runs}) == 2 * (4 + 2 * 5)
    assert [run.columns["seed"] for run in runs if run.columns] == [0] * 12 + [1] * 12


def test_studies_share_encoders_that_are_pretrained_alike():
    def names(**more):
        return {run.name for run in design(**more).runs() if run.beside}

    assert names(budgets=(5,), training=["other.gin"]) == names()
    assert names(seeds=(1, 2)) & names() == names(seeds=(1,))
    rotation = ["configs/rotation.gin"]
    assert content_key(rotation, ["main.seed = 1"]) == content_key(rotation, ["main.seed = 1"])
    keys = {
        content_key(rotation, ["main.seed = 1"]),
        content_key(rotation, ["main.seed = 2"]),
        content_key(rotation, ["main.seed = 1", "main.num_epochs = 6"]),
    }
    assert len(keys) == 3


@pytest.mark.parametrize("kind", ["probing", "products_probing", "shirts_probing"])
def test_a_probe_by_another_rule_for_neighbours_is_of_another_configuration(tmp_path, kind):
    """One that an earlier version left is not averaged with those of now."""
    probing = [f"configs/label_budget/{kind}.gin"]
    run = next(r for r in design(probing=probing).runs() if r.name.startswith("scratch-probe"))
    left = ExperimentFolder(tmp_path / run.name)
    left.path.mkdir()
    rule = "LabelBudgets.limits_k = True\n"
    left.write_text("config.gin", config.load(run.configs, run.bindings).text.replace(rule, ""))
    with pytest.raises(UserError, match=r"these lines differ: LabelBudgets\.limits_k = True\. "):
        refuse_others([run], tmp_path)


def test_within_a_seed_all_methods_train_on_the_same_rows(shop):
    """Those that the probe's budgets have, too."""
    seen = {}
    for run in design(budgets=(1, 5, None)).runs(shop.bindings()):
        if "budget" in run.columns:
            config.load(list(run.configs), list(run.bindings))
            rows = SelectRows if "SelectRows" in " ".join(run.bindings) else None
            chosen = rows and (lambda: config.gin.get_configurable("SelectRows")())
            ids = load_data(chosen, 0.0, run.columns["seed"]).train.ids.tolist()
            seen.setdefault((run.columns["seed"], run.columns["budget"]), []).append(set(ids))
    for sets in seen.values():
        assert len(sets) == 3
        assert sets[0] == sets[1] == sets[2]
    assert seen[0, "1"][0] < seen[0, "5"][0] < seen[0, "all"][0]
    assert seen[0, "5"][0] != seen[1, "5"][0]
    assert np.all([len(seen[0, "1"][0]) == 3, len(seen[0, "5"][0]) == 15])


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"budgets": (5, 1)}, r"LabelBudget\.budgets is \(5, 1\): name numbers from 1 on, rising"),
        ({"budgets": (None, 1)}, "rising, and last"),
        ({"budgets": (0, 1)}, "from 1 on"),
        ({"budgets": (None,)}, "from 1 on"),
        ({"seeds": (1, 1)}, r"LabelBudget\.seeds is \(1, 1\): name one or more, each once"),
        ({"seeds": ()}, "name one or more"),
        ({"pretext": {"scratch": []}}, "calls a method 'scratch': give another name"),
        ({"training": ()}, r"LabelBudget\.training is not bound: take configs/studies/label"),
        (
            {"figure": "mean_class_top5"},
            r"LabelBudget\.figure is 'mean_class_top5', which no run would tell\. Did you mean "
            r"mean_class_top1\? There are: top1, top5, mean_class_top1, all",
        ),
        ({"figure": "test/top1"}, r"Did you mean top1.*\? There are"),
    ],
)
def test_what_makes_no_study_is_refused(more, text):
    with pytest.raises(UserError, match=text):
        design(**more)


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("configs/studies/*.gin")), ids=str)
def test_our_studies_can_be_read_and_their_configs_loaded(path):
    found = read_design([str(path)], ["LabelBudget.seeds = (7,)"])
    assert found.seeds == (7,)
    for run in found.runs():
        loaded = config.load(list(run.configs), list(run.bindings)).text
        assert "main.seed = 7" in loaded
        assert "main.validation_fraction = 0.0" in loaded, "every label of the budget is trained on"


def test_figures_are_those_that_classifiers_and_heads_give():
    rows = SplitRows(np.arange(6), np.arange(6), np.array(list("abcdef"), dtype=object))
    found = classify(ranked(torch.eye(6)), "abcdef", rows, {})
    assert set(FIGURES) == set(found.metrics()["seen"]) - {"n"}


def test_what_is_for_every_run_may_not_have_the_probes_train():
    text = (
        r"probes of a label-budget study train nothing, and main\.num_epochs, 5, would .*every "
        r"run, pretraining and probes, too: bind .*LabelBudget\.training"
    )
    with pytest.raises(UserError, match=text):
        list(design().runs(["main.num_epochs = 5"]))
    with pytest.raises(UserError, match=r"main\.num_epochs, unbound,"):
        list(design(probing=["configs/encoder/small_resnet.gin"]).runs())


class TestABudgetMore:
    def test_it_leaves_all_folders_of_before_and_adds_its_own(self):
        before = {run.name: run for run in design(budgets=(1, 100)).runs()}
        after = {run.name: run for run in design(budgets=(1, 10, 100)).runs(there=set(before))}
        assert set(before) < set(after)
        assert all(after[name] == run for name, run in before.items()), "and asks the same of them"
        new = sorted(set(after) - set(before))
        assert len(new) == 3 * 2 * 2, "a probe and a training a method and seed"
        assert "LabelBudgets.budgets = (10,)" in after["rotation-probe-10-seed0"].bindings

    @given(
        st.lists(st.sets(st.integers(1, 9), min_size=1), min_size=1, max_size=4),
        st.booleans(),
    )
    def test_every_budget_is_told_once_whatever_was_probed_before(self, studies, everything):
        there = set()
        for counts in studies:
            budgets = [*sorted(counts), *([None] if everything else [])]
            found = list(probes("byol", 3, budgets, there))
            told = [name for probe in found for name in probe.told]
            assert sorted(told) == sorted(named(budget) for budget in budgets)
            assert all(set(p.told) <= {named(b) for b in p.budgets} for p in found)
            there |= {probe.name for probe in found}

    @pytest.mark.parametrize(
        "name",
        ["byol-probe-1_5-seed3", "byol-probe-1-seed33", "byol-5-seed3", "xbyol-probe-5-seed3",
         "byol-probe-5_x-seed3", "byol-probe--seed3", "byol-probe-5_ⅴ-seed3"],
    )  # fmt: skip
    def test_folders_of_other_methods_seeds_and_kinds_are_no_probes_of_it(self, name):
        found = list(probes("byol", 3, [5], {name}))
        assert [probe.name == name for probe in found] == [name == "byol-probe-1_5-seed3"]
