"""Each image goes through the model once, whatever is evaluated."""

from collections import Counter

import numpy as np
import pytest
import torch

from fewshot.errors import UserError
from fewshot.evaluation import pictured
from fewshot.evaluation.classification import Classification
from fewshot.evaluation.embedding_map import EmbeddingMap
from fewshot.evaluation.gallery_classification import GalleryClassification, KNNClassification
from fewshot.evaluation.inference import embed, score
from fewshot.evaluation.outputs import EvaluatedSplit, evaluated, findings, with_images
from fewshot.evaluation.retrieval import Retrieval
from fewshot.heads.prototypes import NearestPrototype
from fewshot.interfaces import Evaluation
from tests.evaluation.fakes import FakeDataset, PixelObjective, random_rows


class Counting(PixelObjective):
    """Counts how often each image is embedded; scores are its first pixels."""

    def __init__(self, class_names):
        super().__init__(class_names)
        self.seen = Counter()

    def embed(self, images):
        self.seen.update(image.numpy().tobytes() for image in images)
        return super().embed(images)

    def scores_of(self, features):
        return features[:, : len(self.class_names)]

    def scores(self, images):
        return self.scores_of(self.embed(images))


def split(n, seed):
    """Rows whose images are all different."""
    images, labels = random_rows(n, 8, seed)
    images[:, -1], images[:, -2] = np.arange(n), seed
    return FakeDataset(images, labels, first_id=1000 * seed)


def splits():
    return {"train": split(60, 1), "validation": split(25, 2), "test": split(30, 3)}


EVALUATORS = [
    lambda: Classification(),
    lambda: Classification("all_", include_train=True),
    lambda: KNNClassification(prefix="knn_"),
    lambda: KNNClassification(prefix="few_", max_references=12),
    lambda: GalleryClassification(NearestPrototype, prefix="prototype_"),
    lambda: Retrieval(),
    lambda: Retrieval("itself", prefix="itself_"),
    lambda: EmbeddingMap("pca"),
]


def test_pictures_of_mistakes_embed_training_images_of_their_classes_alone(monkeypatch):
    monkeypatch.setattr(pictured, "_MISTAKES", 2)  # more are of every class
    objective, datasets = Counting("abcdef"), splits()
    shared = evaluated(objective, {name: datasets[name] for name in ("train", "test")})
    (found,) = with_images(findings([Classification()], objective, shared))
    mistakes = next(s for s in found.sections if s.heading == "Most confident mistakes")
    named = mistakes.blocks[0].frame["caption"]
    train = datasets["train"]
    of_classes = np.isin(np.array(train.class_names)[train.labels], named.unique())
    assert 0 < of_classes.sum() < len(train)
    assert len(objective.seen) == of_classes.sum() + len(datasets["test"])
    assert set(objective.seen.values()) == {1}


def test_pictures_come_after_every_figure_and_embed_nothing_more():
    objective, datasets = Counting("abcdef"), splits()
    chunks = []
    embed_chunk = objective.embed
    objective.embed = lambda images: chunks.append(len(images)) or embed_chunk(images)
    evaluators = [Classification(), KNNClassification(prefix="knn_")]
    with_images(findings(evaluators, objective, evaluated(objective, datasets)))
    assert sorted(chunks) == [25, 28, 30, 32]  # validation, train in two parts, test


def test_what_is_only_looked_at_costs_no_figure(caplog):
    def fails():
        raise MemoryError

    fine = Evaluation({"test": {"top5": 1.0}}, more=lambda: Evaluation({}, {"a.png": print}))
    found = with_images([Evaluation({"test": {"top1": 0.5}}, more=fails), fine])
    assert caplog.messages == ["what shows an evaluation could not be made: MemoryError"]
    assert [evaluation.metrics["test"] for evaluation in found] == [{"top1": 0.5}, {"top5": 1.0}]
    assert "a.png" in found[1].artifacts


@pytest.mark.parametrize("order", [1, -1])
def test_all_evaluators_together_embed_each_image_once(order):
    objective, datasets = Counting("abcdef"), splits()
    shared = evaluated(objective, datasets)
    together = with_images(findings([make() for make in EVALUATORS[::order]], objective, shared))
    assert set(objective.seen.values()) == {1}
    assert len(objective.seen) == sum(len(dataset) for dataset in datasets.values())
    alone = [make()(objective, datasets) for make in EVALUATORS[::order]]
    assert [found.metrics for found in together] == [found.metrics for found in alone]


def test_monitoring_with_few_references_embeds_only_those():
    objective, datasets = Counting("abcdef"), splits()
    KNNClassification(max_references=12)(objective, evaluated(objective, datasets))
    assert sum(objective.seen.values()) == 12 + 25 + 30


def test_rows_in_any_order_and_more_than_once():
    objective, dataset = Counting("abcdef"), split(20, 4)
    shared = EvaluatedSplit(objective, dataset)
    for rows in ([7, 3], [3, 3, 11], list(range(20)), [19, 0]):
        rows = np.array(rows)
        torch.testing.assert_close(
            embed(objective, shared, 4, rows), embed(objective, dataset, 4, rows)
        )
    assert score(objective, shared).shape == (20, 6)


def test_variants_of_images_are_kept_apart_from_the_images():
    class Plain(PixelObjective):
        scores = PixelObjective.embed

    objective, shared = Plain("abcdefgh"), EvaluatedSplit(None, split(9, 5))
    shared.objective = objective
    straight, mirrored = score(objective, shared), score(objective, shared, mirrored=True)
    torch.testing.assert_close(mirrored, (straight + straight.flip(1)) / 2)
    torch.testing.assert_close(score(objective, shared), straight)


def test_another_model_gets_its_own_outputs():
    objective, other = Counting("abcdef"), Counting("abcdef")
    shared = EvaluatedSplit(objective, split(9, 6))
    embed(objective, shared)
    embed(other, shared)
    assert sum(other.seen.values()) == 9


def test_what_is_refused_is_refused_of_a_shared_split_too():
    shared = EvaluatedSplit(PixelObjective(), split(9, 7))
    with pytest.raises(UserError, match="embedding: the dataset has no rows"):
        embed(shared.objective, shared, rows=np.array([], dtype=np.int64))
    with pytest.raises(UserError, match="gives embeddings but no class scores"):
        score(shared.objective, shared)
