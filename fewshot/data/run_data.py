"""The datasets of one run: training rows selected, validation set apart, test rows untouched."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gin
import numpy as np
import pandas as pd

from fewshot import seeding
from fewshot.binding.config import is_bound
from fewshot.data.dataset import FashionDataset
from fewshot.data.images.packed import is_in_memory
from fewshot.data.selection import split_validation
from fewshot.errors import UserError
from fewshot.interfaces import DataSpec, Evaluation, IntArray, no_images

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
        """The rows without a label or a readable image: split, id, reason.

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
        found = {} if self.dropped is None else {"dropped": self.dropped}
        if trained_on:
            found["trained_on"] = trained_on
        return Evaluation({"test": found} if found else {})

    def spec(self) -> DataSpec:
        """What objectives may know of the training rows."""
        mean, std = self.train.statistics()
        return DataSpec(
            class_names=self.train.class_names,
            channels=self.train.channels,
            image_size=self.train.image_size,
            mean=mean,
            std=std,
            rows=len(self.train),
            csv_digest=self.train.digest,
            # a dry run decodes one batch only
            image_digests=no_images() if is_in_memory() else self.train.image_digests(),
        )

    def count_trained_on(self, inherited: IntArray) -> int:
        """How many test images are, pixel for pixel, among a saved model's training images.

        inherited: the digests of those. Logs a warning where there are any.
        """
        if self.test is None or len(inherited) == 0 or is_in_memory():
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


def load_data(
    train_rows: Callable[[], Any] | None,
    validation_fraction: float,
    seed: int,
    test_rows: Callable[[], Any] | None = None,
) -> RunData:
    """The datasets bound as FashionDataset, validation/FashionDataset and test/FashionDataset.

    train_rows chooses among the training rows; the test split never changes with it, but with
    test_rows alone, which is given the test split and the whole training CSV.

    Raises UserError when the validation fraction leaves nothing, or data are wrong.
    """
    dataset = gin.get_configurable("FashionDataset")
    whole = dataset()
    rows = np.arange(len(whole))
    if train_rows is not None:
        selection = train_rows()
        rows = selection(whole.table, whole.labels, whole.class_names, seed)
    validation = None
    if _is_given("validation"):
        with gin.config_scope("validation"):
            validation = dataset()
    elif validation_fraction > 0:
        kept, held_out = split_validation(
            whole.labels[rows], validation_fraction, seeding.derive(seed, "validation")
        )
        validation, rows = whole.subset(rows[held_out]), rows[kept]
    train = _with_own_classes(whole.subset(rows))
    if validation is not None:
        _refuse_shared_ids(train, validation, "validation")
    test, dropped = _test_split(dataset, Path(whole.csv_files[0])), None
    if test is not None:
        _refuse_shared_ids(train, test, "test")
    if test is not None and test_rows is not None:
        selection = test_rows()
        if not is_in_memory():  # a dry run decodes one batch only
            test, dropped = _keep_rows(test, selection(test, whole))
    for name, split in (("train", train), ("validation", validation), ("test", test)):
        if split is not None:
            logger.info("%-10s %6d images, %3d classes", name, len(split), len(split.class_names))
    return RunData(train, validation, test, dropped)


def _is_given(split: str) -> bool:
    """Whether the split has a CSV of its own, which binding it to None takes away."""
    if not is_bound(split, "FashionDataset", "csv_file"):
        return False
    with gin.config_scope(split):
        return gin.get_bindings("FashionDataset").get("csv_file") is not None


def _test_split(dataset: Callable[..., FashionDataset], train_csv: Path) -> FashionDataset | None:
    """The bound test split, else the test.csv beside the training CSV, else none (and says so)."""
    if is_bound("test", "FashionDataset", "csv_file") and not _is_given("test"):
        return None
    beside = train_csv.with_name("test.csv")
    given = _is_given("test")
    with gin.config_scope("test"):
        if given:
            return dataset()
        if beside != train_csv and beside.is_file():
            return dataset(csv_file=str(beside))
    logger.info(
        "no test split: test/FashionDataset.csv_file is not bound and there is no %s; "
        "only validation figures are reported",
        beside,
    )
    return None


def _keep_rows(test: FashionDataset, kept: IntArray) -> tuple[FashionDataset, int]:
    dropped = len(test) - len(kept)
    logger.info("main.test_rows leaves out %d of %d test rows", dropped, len(test))
    return test.subset(kept), dropped


def _with_own_classes(dataset: FashionDataset) -> FashionDataset:
    """Labels over the classes that have rows left, so that no output stands for an absent class."""
    if not dataset.class_names:
        return dataset
    present = np.unique(dataset.labels[dataset.labels >= 0])
    return dataset.with_classes(tuple(dataset.class_names[i] for i in present))


def _refuse_shared_ids(train: FashionDataset, other: FashionDataset, name: str) -> None:
    shared = sorted(set(train.ids.tolist()) & set(other.ids.tolist()))
    if shared:
        raise UserError(
            f"{len(shared)} ids are in both the training and the {name} rows, for example "
            f"{', '.join(shared[:5])}: remove them from one of the two CSVs."
        )
