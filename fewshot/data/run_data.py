"""The datasets of one run, and what its files and its objective are told of them."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fewshot.batch import Column, DataSpec, IntArray, no_images
from fewshot.data.dataset import FashionDataset
from fewshot.interfaces import Evaluation

logger = logging.getLogger("fewshot")


@dataclass(frozen=True)
class RunData:
    """The training rows, and the validation and test splits where there are any.

    dropped: how many test rows main.test_rows has left out; None where it is not bound.
    """

    train: FashionDataset
    validation: FashionDataset | None
    test: FashionDataset | None
    dropped: int | None = None

    @property
    def monitored(self) -> dict[str, FashionDataset]:
        """What may be looked at while training: never the test split."""
        found = {"train": self.train, "validation": self.validation}
        return {name: dataset for name, dataset in found.items() if dataset is not None}

    @property
    def evaluated(self) -> dict[str, FashionDataset]:
        """Every split there is, for the one evaluation after training."""
        return self.monitored | ({} if self.test is None else {"test": self.test})

    def _splits(self) -> dict[str, FashionDataset]:
        """Every split there is, by the name a user knows it under."""
        names = {"train": "training", "validation": "validation", "test": "test"}
        return {names[name]: dataset for name, dataset in self.evaluated.items()}

    def digests(self) -> dict[str, str]:
        """Of the CSV and images of each split: a resumed run refuses others."""
        return {f"{name} CSV or images": split.digest for name, split in self._splits().items()}

    def skipped(self) -> pd.DataFrame:
        """The rows without a readable image: split, id, reason.

        Validation rows that were drawn from the training CSV stand with the training rows.
        """
        parts = [
            split.skipped.assign(split=name)
            for name, split in self._splits().items()
            if name != "validation" or split.csv_files != self.train.csv_files
        ]
        return pd.concat(parts)[["split", "id", "reason"]]

    def facts(self, trained_on: int = 0) -> Evaluation:
        """What results.json says of the data: test rows left out, and those once trained on."""
        figures = {"dropped": self.dropped, "trained_on": trained_on or None}
        found = {name: count for name, count in figures.items() if count is not None}
        return Evaluation({"test": found} if found else {})

    def spec(self) -> DataSpec:
        """What objectives may know of the training rows."""
        mean, std = self.train.statistics()
        return DataSpec(
            class_names=self.train.class_names,
            channels=self.train.channels,
            image_size=self.train.image_size,
            resize=self.train.resize,
            mean=mean,
            std=std,
            covariance=self.train.covariance(),
            rows=len(self.train),
            csv_digest=self.train.digest,
            # a dry run decodes one batch only
            image_digests=no_images() if self.train.in_memory else self.train.image_digests(),
            class_counts=self._class_counts(),
            column=self._column,
        )

    def _class_counts(self) -> tuple[int, ...]:
        """Training rows of each class."""
        labels = self.train.labels[self.train.labels >= 0]
        return tuple(np.bincount(labels, minlength=len(self.train.class_names)).tolist())

    def _column(self, name: str) -> Column:
        """A further label column of the training rows."""
        values = self.train.column(name)
        names = tuple(sorted(set(values) - {""}))
        place = {name: number for number, name in enumerate(names)} | {"": -1}
        return Column(names, np.array([place[value] for value in values], dtype=np.int64))

    def count_trained_on(self, inherited: IntArray) -> int:
        """How many test images are, pixel for pixel, among a saved model's training images.

        inherited: the digests of those. Logs a warning where there are any.
        """
        if self.test is None or len(inherited) == 0 or self.test.in_memory:
            return 0
        count = int(np.isin(self.test.image_digests(), inherited).sum())
        if count:
            logger.warning(
                "%d of %d test images are among those that the saved model was trained on, and "
                "flatter it: bind test/FashionDataset.csv_file to other images.",
                count,
                len(self.test),
            )
        return count
