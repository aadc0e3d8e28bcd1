import numpy as np
import pytest

from fewshot.binding import config
from fewshot.data.loading import load_data
from fewshot.data.selection import SelectRows
from fewshot.errors import UserError
from fewshot.studies.designs.label_budget import LabelBudget, content_key
from fewshot.studies.label_budget import read_design

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
    ],
)
def test_what_makes_no_study_is_refused(more, text):
    with pytest.raises(UserError, match=text):
        design(**more)


@pytest.mark.parametrize("name", ["label_budget", "label_budget_quick"])
def test_our_studies_can_be_read_and_their_configs_loaded(name):
    found = read_design([f"configs/studies/{name}.gin"], ["LabelBudget.seeds = (7,)"])
    assert found.seeds == (7,)
    for run in found.runs():
        loaded = config.load(list(run.configs), list(run.bindings)).text
        assert "main.seed = 7" in loaded
        assert "main.validation_fraction = 0.0" in loaded, "every label of the budget is trained on"
