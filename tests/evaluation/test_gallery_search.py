"""Evaluators whose k-NN searches its gallery by an index: told, made once, and asked for early."""

import sys

import numpy as np
import pytest
import torch

from fewshot.data.selection import SelectRows
from fewshot.errors import UserError
from fewshot.evaluation.gallery import embed_gallery
from fewshot.evaluation.gallery_classification import GalleryClassification, KNNClassification
from fewshot.evaluation.label_budgets import LabelBudgets
from fewshot.evaluation.outputs import evaluated
from fewshot.evaluation.scorers import HeadScorer
from fewshot.evaluation.selective import SelectiveClassification
from fewshot.heads import knn
from fewshot.heads.knn import KNN
from fewshot.heads.prototypes import NearestPrototype
from tests.evaluation.fakes import PixelObjective, random_dataset


@pytest.fixture
def datasets():
    return {
        "train": random_dataset(120, seed=1, classes="abcd"),
        "validation": random_dataset(30, seed=2, classes="abcd", first_id=500),
        "test": random_dataset(40, seed=3, classes="bcde", first_id=1000),
    }


def head():
    return KNN(exact_rows=100)


HEADS = {"k": head, "n": NearestPrototype}
EVALUATORS = {
    "": lambda: KNNClassification(prefix="knn_", exact_rows=100),
    "GalleryClassification": lambda: GalleryClassification([head, NearestPrototype]),
    "selective": lambda: SelectiveClassification(0.5, head=head),
    "label_budgets": lambda: LabelBudgets(HEADS, [2, None], SelectRows),
}


def test_the_recall_is_a_figure_of_every_split_and_is_told(datasets, monkeypatch):
    made = []
    monkeypatch.setattr(knn, "built", lambda *a, built=knn.built: made.append(1) or built(*a))
    objective = PixelObjective()
    splits = evaluated(objective, datasets)
    found = KNNClassification(prefix="knn_", exact_rows=100)(objective, splits)
    recalls = [found.metrics[split]["knn_index_recall"] for split in ("validation", "test")]
    assert recalls[0] == recalls[1] == pytest.approx(1, abs=0.1)
    section = found.sections[-1]
    assert section.heading == "Search of the gallery (knn)"
    assert "an index of 120 vectors finds" in section.blocks[0].text
    judged = SelectiveClassification(0.5, 0.5, head=head)(objective, splits)
    assert judged.metrics["test"]["selective"]["index_recall"] == recalls[0]
    assert judged.sections[-1].heading == "Search of the gallery"
    assert made == [1], "one index for both splits, both evaluators, and all but each class"
    report = EVALUATORS["label_budgets"]()(objective, splits)
    assert "recall of k's index" in report.sections[0].blocks[0].frame
    budgets = report.metrics["test"]["label_budgets"]
    assert "index_recall" not in {*budgets["2"]["k"], *budgets["all"]["n"]}
    assert budgets["all"]["k"]["index_recall"] == pytest.approx(1, abs=0.1)
    assert made == [1, 1]
    exactly = KNNClassification()(objective, splits)
    assert "index_recall" not in exactly.metrics["test"]


@pytest.mark.parametrize("name", EVALUATORS)
def test_the_library_is_asked_for_before_training(name, datasets, monkeypatch):
    EVALUATORS[name]().check(PixelObjective(), datasets)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match="faiss, which is not installed"):
        EVALUATORS[name]().check(PixelObjective(), datasets)


def test_without_its_class_an_image_is_compared_with_the_others_by_the_same_index(datasets):
    objective, query = PixelObjective(), datasets["validation"]
    gallery = embed_gallery(objective, datasets["train"])
    rows, truth = np.arange(len(query)), query.labels
    found, exactly = (
        torch.cat(list(HeadScorer(objective, one, gallery).without_own_class(query, rows, truth)))
        for one in (head(), KNN())
    )
    assert (found.argmax(1) == exactly.argmax(1)).float().mean() > 0.8
    assert torch.equal(found.isinf(), exactly.isinf())
