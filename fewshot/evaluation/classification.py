"""How well an objective's own class scores classify each split."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import gin

from fewshot.errors import UserError
from fewshot.evaluation.classification_metrics import classify
from fewshot.evaluation.classification_report import classification_report, figure_names
from fewshot.evaluation.inference import refuse_no_scores, score
from fewshot.evaluation.label_columns import classified_columns, with_columns
from fewshot.evaluation.naming import checked_prefix
from fewshot.evaluation.pictured import Source
from fewshot.evaluation.ranking import ranked_logits
from fewshot.evaluation.split_rows import all_rows, rows_of_classes
from fewshot.interfaces import Dataset, Evaluation


@gin.register
class Classification:
    """Top-1 and top-5, overall and by class, of the objective's scores, with cross-entropy, and
    top-1 of the further label columns that it learned.

    prefix: put before every figure's and file's name, so that two classifiers of one run keep
    apart. include_train: also score the training split, and draw a confusion matrix of every
    split. Test-time augmentation, by default none: mirrored averages the scores of each image and
    of its mirror image, at twice the time; shift also those of the image moved by so many pixels
    up, down, left and right, at five times it. Raises UserError for a negative shift.
    """

    monitors = True

    def __init__(
        self,
        prefix: str = "",
        include_train: bool = False,
        mirrored: bool = False,
        shift: int = 0,
    ) -> None:
        if shift < 0:
            raise UserError(f"Classification.shift is {shift}: bind 0 or more pixels.")
        self.prefix = checked_prefix("Classification", prefix)
        self.include_train = include_train
        self.mirrored = mirrored
        self.shift = shift

    def check(self, objective: Any, datasets: Mapping[str, Dataset]) -> None:
        """Raise, before anything is trained, that the objective does not classify.

        So it is where images moved by `shift` would have no pixel left.
        """
        refuse_no_scores(objective)
        sides = [min(dataset.image_size) for dataset in datasets.values()]
        if self.shift and self.shift >= min(sides, default=self.shift + 1):
            raise UserError(
                f"Classification.shift is {self.shift} pixels, and images have sides of "
                f"{min(sides)}: bind a few pixels, or 0."
            )

    def figures(self, objective: Any, datasets: Mapping[str, Dataset]) -> set[str]:
        """The names of what the validation split may get."""
        found = figure_names(len(objective.class_names), datasets["validation"], self.prefix)
        return found | ({f"{self.prefix}columns"} if getattr(objective, "columns", None) else set())

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """Evaluate every split; rows without a label are predicted only.

        Raises UserError when the objective has no scores.
        """
        n_train = rows_of_classes(datasets.get("train"))
        results, columns = {}, {}
        for split, dataset in datasets.items():
            if split == "train" and not self.include_train:
                continue
            rows = all_rows(dataset)
            scores = score(objective, dataset, mirrored=self.mirrored, shift=self.shift)
            ranking = ranked_logits(scores, objective.class_names, rows.names)
            results[split] = classify(ranking, objective.class_names, rows, n_train)
            columns[split] = classified_columns(objective, dataset)
        source = Source(objective, datasets)
        report = classification_report(
            results, self.prefix, every_confusion=self.include_train, source=source
        )
        whole = with_columns(report, results, columns, self.prefix)
        variants = {"mirrored": self.mirrored, "shift": self.shift}
        return replace(whole, kept={**whole.kept, **variants})
