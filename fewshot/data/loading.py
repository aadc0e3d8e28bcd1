"""How a run's datasets are opened: training rows chosen, validation set apart, test untouched."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gin
import numpy as np

from fewshot import seeding
from fewshot.batch import IntArray
from fewshot.binding.config import is_bound
from fewshot.data.dataset import FashionDataset
from fewshot.data.images.packed import Storage
from fewshot.data.run_data import RunData
from fewshot.data.selection import split_validation
from fewshot.errors import UserError

logger = logging.getLogger("fewshot")


def load_data(
    train_rows: Callable[[], Any] | None,
    validation_fraction: float,
    seed: int,
    test_rows: Callable[[], Any] | None = None,
    *,
    needs_labels: bool = False,
    dry_run: bool = False,
) -> RunData:
    """The datasets bound as FashionDataset, validation/FashionDataset and test/FashionDataset.

    train_rows chooses among the training rows; the test split never changes with it, but with
    test_rows alone, which is given the test split and the whole training CSV. needs_labels: leave
    out training rows without a label, if others have one. dry_run: decode and write nothing yet.

    Raises UserError when the validation fraction leaves nothing, or data are wrong.
    """
    dataset = gin.get_configurable(FashionDataset)
    if dry_run:
        dataset = partial(dataset, cache_dir=Storage.MEMORY)
    whole = _with_label_column(dataset())
    rows = np.arange(len(whole))
    if train_rows is not None:
        selection = train_rows()
        rows = selection(whole.table, whole.labels, whole.class_names, seed)
    if needs_labels:
        rows = _labelled(rows, whole.labels)
    validation = None
    if _is_given("validation"):
        with gin.config_scope("validation"):
            validation = _with_label_column(dataset())
    elif validation_fraction > 0:
        kept, held_out = split_validation(
            whole.ids[rows],
            whole.labels[rows],
            validation_fraction,
            seeding.derive(seed, "validation"),
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
        if not dry_run:  # a dry run decodes one batch only
            test, dropped = _keep_rows(test, selection(test, whole))
    for name, split in (("train", train), ("validation", validation), ("test", test)):
        if split is not None:
            logger.info("%-10s %s", name, _counted(split))
    return RunData(train, validation, test, dropped)


def _with_label_column(dataset: FashionDataset) -> FashionDataset:
    """The data set; raises UserError where the label column that it was opened with is not there.

    Only rows that are to be predicted may come from a CSV without one.
    """
    column, columns = dataset.label_column, dataset.table.columns.tolist()
    if column is None or column in columns:
        return dataset
    files = ", ".join(path.name for path in dataset.csv_files)
    raise UserError(
        f"{files} has no label column '{column}'; the columns are: {', '.join(columns)}. Bind "
        "FashionDataset.label_column to the one that names what each image shows, or to None if "
        "none does, for training without labels."
    )


def _labelled(rows: IntArray, labels: IntArray) -> IntArray:
    """The rows that have a label, where any has one."""
    kept = rows[labels[rows] >= 0]
    if len(kept) in (0, len(rows)):
        return rows
    logger.info(
        "left out %d of %d training rows, which have no label, as this objective needs one",
        len(rows) - len(kept),
        len(rows),
    )
    return kept


def _counted(split: FashionDataset) -> str:
    unlabelled = int((split.labels < 0).sum())
    more = f", {unlabelled} without a label" if unlabelled else ""
    return f"{len(split):6} images, {len(split.class_names):3} classes{more}"


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
    if given or (beside != train_csv and beside.is_file()):
        with gin.config_scope("test"):
            test = dataset() if given else dataset(csv_file=str(beside))
        # a column that is named for this split is to be there
        named = is_bound("test", "FashionDataset", "label_column")
        return _with_label_column(test) if named else test
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
