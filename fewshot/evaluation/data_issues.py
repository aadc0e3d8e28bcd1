"""What is likely wrong with the data: labels, and images that are there twice."""

from collections.abc import Mapping
from typing import Any

import gin
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fewshot import seeding
from fewshot.batch import IntArray
from fewshot.errors import UserError
from fewshot.evaluation.confident_learning import confident_classes, label_issues
from fewshot.evaluation.inference import embed
from fewshot.evaluation.near_duplicates import near_duplicates
from fewshot.evaluation.split_rows import all_rows
from fewshot.evaluation.thumbnails import Sheet
from fewshot.heads.logistic_regression import logistic_regression
from fewshot.heads.probabilities import probabilities
from fewshot.interfaces import Dataset, Evaluation
from fewshot.sections import Block, Images, Note, Section, Table

FILES = {
    "Likely wrong labels": "label_issues.csv",
    "Near duplicates": "near_duplicates.csv",
}
_FOLDS = 5
_SHOWN = 60  # images of either kind
_TOLERANCE = 1e-3  # of the regression: probabilities for a ranking
_ADVICE = (
    "To correct: write the right name into the column label (nothing leaves the row out), and "
    "split the CSV again with --corrections"
)


@gin.register
class DataIssues:
    """label_issues.csv and near_duplicates.csv of all splits, for a person to look at and edit.

    A label is doubted by confident learning, with the probabilities of a logistic regression on
    embeddings that has not seen the row: cross-validated among training rows, else learned from all
    of them. (The encoder has seen the labels of those it was trained on, and doubts them less.)
    Near duplicates are images among whose nearest in embedding one has nearly the same pixels;
    distance: the root mean square difference of the pixels over the smaller of their standard
    deviations, 0 for equal images, about 1.4 for unrelated ones.
    """

    monitors = False
    needs_labels = True

    def __init__(self, distance: float = 0.1, seed: int = 0) -> None:
        if not distance >= 0:
            raise UserError(f"DataIssues.distance is {distance}: bind 0 or more, e.g. 0.1.")
        self.distance = distance
        self.seed = seed

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """Look at every row; raises UserError where fewer than two classes have training rows."""
        train = datasets.get("train")
        classes = 0 if train is None else len(np.unique(train.labels[train.labels >= 0]))
        if classes < 2:
            raise UserError(
                "DataIssues needs training rows of two classes or more: bind "
                "FashionDataset.csv_file and FashionDataset.label_column."
            )
        features = {name: embed(objective, dataset) for name, dataset in datasets.items()}
        sheet = Sheet("data_issues.jpg", datasets, 4 * _SHOWN)
        issues = self._label_issues(datasets, features)
        twins = near_duplicates(datasets, features, self.distance)
        figures = {
            name: {
                "label_issues": int((issues["split"] == name).sum()),
                "near_duplicates": int((twins["split"] == name).sum()),
            }
            for name in datasets
        }
        sections = [
            _section("Likely wrong labels", issues, _doubted(issues, sheet), sheet),
            _section("Near duplicates", twins, _pairs(twins, sheet), sheet),
        ]
        return Evaluation(figures, {sheet.name: sheet.write}, sections)

    def _label_issues(
        self, datasets: Mapping[str, Dataset], features: Mapping[str, Tensor]
    ) -> pd.DataFrame:
        """id, label, suggested, probability (of the label), split, row; worst first."""
        train = datasets["train"]
        known = np.flatnonzero(train.labels >= 0)
        present, labels = np.unique(train.labels[known], return_inverse=True)
        names = [train.class_names[i] for i in present]
        support, targets = features["train"][torch.from_numpy(known)], torch.from_numpy(labels)
        tables = []
        for split, dataset in datasets.items():
            rows = all_rows(dataset)
            place = {name: i for i, name in enumerate(names)}
            given = np.array([place.get(name, -1) for name in rows.names], dtype=np.int64)
            kept = np.flatnonzero(given >= 0)
            if len(kept) == 0:
                continue
            if split == "train":
                found = self._cross_validated(support, targets, len(names))
            else:
                query = features[split][torch.from_numpy(kept)]
                found = _fitted(support, targets, query, len(names))
            tables.append(_issues(found, given[kept], rows.only(kept).ids, kept, names, split))
        return pd.concat(tables, ignore_index=True).sort_values("probability", kind="stable")

    def _cross_validated(self, support: Tensor, labels: Tensor, n_classes: int) -> Tensor:
        """Probabilities [N, C] of each row by the rows of the other folds."""
        order = seeding.generator("data issues", self.seed).permutation(len(labels))
        # each class in turn goes to all folds, so that every fold knows every class
        order = order[np.argsort(labels.cpu().numpy()[order], kind="stable")]
        fold = np.empty(len(order), dtype=np.int64)
        fold[order] = np.arange(len(order)) % _FOLDS
        found = torch.zeros(len(labels), n_classes, dtype=torch.float64)
        for number in range(_FOLDS):
            inside = torch.from_numpy(fold == number)
            if bool(inside.any()):
                found[inside] = _fitted(
                    support[~inside], labels[~inside], support[inside], n_classes
                )
        return found


def _fitted(support: Tensor, labels: Tensor, query: Tensor, n_classes: int) -> Tensor:
    # features of about one length, so that the regression's strength means the same for all models
    centre, scale = support.mean(0), support.std().clamp_min(1e-12)
    scores = logistic_regression(
        (support - centre) / scale,
        labels.to(support.device),
        (query - centre) / scale,
        n_classes,
        tolerance=_TOLERANCE,
    )
    return probabilities(scores).cpu()


def _issues(
    found: Tensor, given: IntArray, ids: Any, rows: IntArray, names: list[str], split: str
) -> pd.DataFrame:
    likely = found.numpy()
    doubted = label_issues(likely, given)
    suggested = confident_classes(likely, given)[doubted]
    return pd.DataFrame(
        {
            "id": ids[doubted].astype(str),
            "label": [names[i] for i in given[doubted]],
            "suggested": [names[i] for i in suggested],
            "probability": likely[doubted, given[doubted]],
            "split": split,
            "row": rows[doubted],
        }
    )


def _doubted(issues: pd.DataFrame, sheet: Sheet) -> list[tuple[Any, ...]]:
    """The worst ones, a strip for each label and suggestion."""
    lines = []
    for line in issues.head(_SHOWN).to_dict("records"):
        (tile,) = sheet.tiles(line["split"], [line["row"]])
        heading = f"{line['label']}, more likely {line['suggested']}"
        lines.append((heading, line["id"], line["id"], tile, ""))
    return lines


def _pairs(twins: pd.DataFrame, sheet: Sheet) -> list[tuple[Any, ...]]:
    """Both images of each of the nearest pairs, those of unequal labels first."""
    lines = []
    apart = (twins["label"] == twins["other_label"]).to_numpy()
    for line in twins.iloc[np.argsort(apart, kind="stable")].head(_SHOWN).to_dict("records"):
        heading = f"{line['id']} ({line['split']}) and {line['other_id']} ({line['other_split']})"
        for side in ("", "other_"):
            (tile,) = sheet.tiles(line[f"{side}split"], [line[f"{side}row"]])
            lines.append((heading, line[f"{side}id"], line[f"{side}label"], tile, ""))
    return lines


def _section(
    heading: str, found: pd.DataFrame, lines: list[tuple[Any, ...]], sheet: Sheet
) -> Section:
    name = FILES[heading]
    kept = found.drop(columns=[column for column in ("row", "other_row") if column in found])
    blocks: list[Block] = [Table(name, kept, f"{_ADVICE} {name}.")]
    if lines:
        shown = pd.DataFrame(lines, columns=["row", "id", "caption", "tile", "verdict"])
        shown = shown.astype({"tile": "Int64"}).sort_values("row", kind="stable")
        stem = name.removesuffix(".csv")
        blocks.insert(0, Images(f"tables/{stem}_images.csv", shown, sheet.thumbnails))
    else:
        blocks = [Note("None was found."), *blocks]
    return Section(heading, blocks, 40, console=False)
