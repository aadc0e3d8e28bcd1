"""How good the embedding is as a search engine."""

from collections.abc import Callable, Mapping
from typing import Any

import gin
import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.evaluation.inference import embed
from fewshot.evaluation.naming import checked_prefix, prefixed, reported_split, titled
from fewshot.evaluation.retrieval_metrics import Searched, retrieval
from fewshot.evaluation.split_rows import has_labels, labelled_rows
from fewshot.interfaces import Dataset, Evaluation
from fewshot.sections import Section, Table

GALLERIES = ("train", "itself")


@gin.register
class Retrieval:
    """Recall@1/5/10, MAP@R and R-precision of every split but "train", overall and by class.

    gallery: 'train', or 'itself' to search within the split (a query never finds itself), or a
    factory of a dataset of its own, e.g. @gallery/FashionDataset.
    metric: 'euclidean' or 'cosine'. exclude_duplicates: a query never finds an image with exactly
    its pixels. prefix: of figures and files. Queries without a relevant gallery image are counted
    (n_without_match) and left out of the means.
    """

    monitors = False
    needs_labels = True

    def __init__(
        self,
        gallery: str | Callable[..., Dataset] = "train",
        metric: str = "euclidean",
        exclude_duplicates: bool = False,
        prefix: str = "retrieval_",
    ) -> None:
        if not callable(gallery) and gallery not in GALLERIES:
            raise UserError(
                f"Retrieval.gallery is '{gallery}': use one of {', '.join(GALLERIES)}, or "
                "@gallery/FashionDataset with gallery/FashionDataset.csv_file bound."
            )
        if metric not in ("euclidean", "cosine"):
            raise UserError(f"Retrieval.metric is '{metric}': use one of euclidean, cosine.")
        self.gallery = "a dataset of its own" if callable(gallery) else gallery
        self._open = gallery if callable(gallery) else None
        self.metric = metric
        self.exclude_duplicates = exclude_duplicates
        self.prefix = checked_prefix("Retrieval", prefix)

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """Evaluate the splits that have labels; raises UserError where the gallery has none."""
        splits = {
            name: dataset
            for name, dataset in datasets.items()
            if name != "train" and has_labels(dataset)
        }
        searched = self._gallery(datasets)
        known = [*datasets.values(), *([] if searched is None else [searched])]
        classes = sorted({name for dataset in known for name in dataset.class_names})
        gallery = None
        if searched is not None:
            gallery = self._searched(objective, searched, "gallery", classes)
            if self._open is not None:
                _refuse_shared(searched, splits)
        metrics, tables = {}, {}
        for name, dataset in splits.items():
            query = self._searched(objective, dataset, name, classes)
            found = retrieval(query, gallery or query, itself=gallery is None)
            figures = pd.DataFrame({key: value.cpu().numpy() for key, value in found.items()})
            matched = figures.notna().all(axis=1)
            counts = {"n_queries": int(matched.sum()), "n_without_match": int((~matched).sum())}
            means = {key: float(figures.loc[matched, key].mean()) for key in found}
            metrics[name] = prefixed(counts | means, self.prefix)
            tables[name] = _per_class(figures, np.asarray(classes)[query.labels.cpu().numpy()])
        split = reported_split(tables)
        if split is None:
            return Evaluation(metrics)
        words = self.prefix.replace("retrieval", "")
        heading = f"{titled(words, 'Retrieval per class')}, {split} split"
        note = f"gallery: {self.gallery}; figures are means over the queries of a class"
        table = Table(f"{self.prefix}per_class.csv", tables[split], note)
        return Evaluation(metrics, {}, [Section(heading, [table], 30)])

    def _gallery(self, datasets: Mapping[str, Dataset]) -> Dataset | None:
        """What is searched; None where each split is searched itself."""
        if self._open is not None:
            like = next(iter(datasets.values()), None)
            return self._open(**({} if like is None else like.further))
        if self.gallery == "itself":
            return None
        if "train" not in datasets:
            raise UserError("Retrieval.gallery is 'train', but there is no training split.")
        return datasets["train"]

    def _searched(
        self, objective: Any, dataset: Dataset, split: str, classes: list[str]
    ) -> Searched:
        rows = labelled_rows(dataset, split)
        features = embed(objective, dataset, rows=rows.rows)
        if self.metric == "cosine":
            features = F.normalize(features, dim=1)
        place = {name: i for i, name in enumerate(classes)}
        labels = torch.tensor([place[name] for name in rows.names], device=features.device)
        digests = None
        if self.exclude_duplicates:
            digests = torch.from_numpy(dataset.image_digests()[rows.rows]).to(features.device)
        return Searched(features, labels, digests)


def _refuse_shared(gallery: Dataset, splits: Mapping[str, Dataset]) -> None:
    """Raises UserError for a query that is in its own gallery, where it would find itself."""
    for name, dataset in splits.items():
        shared = sorted({str(i) for i in gallery.ids} & {str(i) for i in dataset.ids})
        if shared:
            raise UserError(
                f"{len(shared)} ids are both in Retrieval.gallery and in the {name} split, for "
                f"example {', '.join(shared[:5])}: remove them from one of the two CSVs."
            )


def _per_class(figures: pd.DataFrame, names: Any) -> pd.DataFrame:
    """class, n and each figure's mean over the queries of the class (nan without a match)."""
    groups = figures.groupby(names)
    table = groups.mean()
    table.insert(0, "n", groups.size())
    return table.rename_axis("class").reset_index()
