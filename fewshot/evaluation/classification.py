"""How well an objective's own class scores classify each split."""

from collections.abc import Mapping
from typing import Any

import gin

from fewshot.evaluation.classification_metrics import class_counts, classify, labelled
from fewshot.evaluation.classification_report import classification_report
from fewshot.evaluation.inference import score
from fewshot.interfaces import Dataset, Evaluation


@gin.register
class Classification:
    """Top-1 and top-5, overall and by class, of the objective's scores, with cross-entropy.

    prefix: put before every figure's and file's name, so that two classifiers of one run keep
    apart. include_train: also score the training split, and draw a confusion matrix of every
    split. mirrored: average the scores of each image and of its mirror image, at twice the time.
    """

    monitors = True
    needs_labels = True

    def __init__(
        self, prefix: str = "", include_train: bool = False, mirrored: bool = False
    ) -> None:
        self.prefix = prefix
        self.include_train = include_train
        self.mirrored = mirrored

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """Evaluate every split; raises UserError when there are no scores or no labels."""
        n_train = class_counts(datasets.get("train"))
        results = {}
        for split, dataset in datasets.items():
            if split == "train" and not self.include_train:
                continue
            rows = labelled(dataset, split)
            scores = score(objective, dataset, rows=rows.rows, mirrored=self.mirrored)
            results[split] = classify(scores, objective.class_names, rows, n_train, logits=True)
        return classification_report(results, self.prefix, every_confusion=self.include_train)
