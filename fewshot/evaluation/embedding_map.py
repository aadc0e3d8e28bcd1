"""The test split's embeddings as a picture and as a page."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gin
import numpy as np
from torch import Tensor

from fewshot.batch import IntArray
from fewshot.errors import UserError
from fewshot.evaluation.gallery import embed_gallery, stratified_rows
from fewshot.evaluation.inference import embed, score
from fewshot.evaluation.naming import checked_prefix, reported_split, titled
from fewshot.evaluation.projection import check_method, project
from fewshot.heads.knn import KNN
from fewshot.interfaces import Dataset, Evaluation
from fewshot.sections import Block, Link, Picture, Section

_REFERENCES = 10_000


@gin.register
class EmbeddingMap:
    """embedding.png and embedding.html of the test split (of validation where there is no test).

    method: 'tsne', 'umap' or 'pca'. max_points: a stratified part of the rows is drawn where there
    are more (5,000 points take t-SNE about 20 s on 2 cores, 10,000 about 40 s). Predictions shown
    are the objective's own, or else of the 5 nearest of at most 10,000 training rows. prefix: put
    before the files' names.
    """

    monitors = False

    def __init__(
        self, method: str = "tsne", max_points: int = 5_000, seed: int = 0, prefix: str = ""
    ) -> None:
        check_method(method)
        if max_points < 1:
            raise UserError(f"EmbeddingMap.max_points is {max_points}: use 1 or more.")
        self.method = method
        self.max_points = max_points
        self.seed = seed
        self.prefix = checked_prefix("EmbeddingMap", prefix)

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """No figures; embedding and projection come with all that is only looked at."""
        split = reported_split(datasets)
        if split is None:
            return Evaluation({})
        return Evaluation({}, more=partial(self._map, objective, datasets[split], datasets))

    def _map(self, objective: Any, dataset: Dataset, datasets: Mapping[str, Dataset]) -> Evaluation:
        # An unlabelled split is drawn as one class.
        known = dataset.labels if (dataset.labels >= 0).any() else np.zeros_like(dataset.labels)
        rows = stratified_rows(known, self.max_points)
        features = embed(objective, dataset, rows=rows)
        points = project(features.cpu().numpy(), self.method, self.seed)
        labels = _names(dataset.class_names, dataset.labels[rows])
        predictions = _predictions(objective, dataset, rows, features, datasets.get("train"))

        def draw(path: Path) -> None:
            from fewshot.reports.maps import embedding_png

            embedding_png(points, labels, path)

        def page(path: Path) -> None:
            from fewshot.reports.maps import embedding_html

            images = dataset.images(rows).permute(0, 2, 3, 1).numpy()
            embedding_html(points, labels, predictions, dataset.ids[rows].tolist(), images, path)

        name = f"{self.prefix}embedding"
        more = "Explore the map: zoom, hover over the images, choose classes"
        heading = titled(self.prefix, "Map of the embedding")
        blocks: list[Block] = [Link(f"{name}.html", more), Picture(f"{name}.png", heading)]
        artifacts = {f"{name}.png": draw, f"{name}.html": page}
        return Evaluation({}, artifacts, [Section(heading, blocks, 60)])


def _names(class_names: tuple[str, ...], labels: IntArray) -> list[str]:
    return [class_names[label] if label >= 0 else "unlabelled" for label in labels]


def _predictions(
    objective: Any,
    dataset: Dataset,
    rows: IntArray,
    features: Tensor,
    train: Dataset | None,
) -> list[str]:
    """The class predicted for each row; empty where there is neither classifier nor gallery."""
    if getattr(objective, "scores", None) is not None:
        scores, names = score(objective, dataset, rows=rows), objective.class_names
    elif train is not None and (train.labels >= 0).any():
        gallery = embed_gallery(objective, train, _REFERENCES)
        head = KNN(k=min(5, len(gallery.labels)))
        names = gallery.class_names
        scores = head(gallery.features, gallery.labels, features, len(names))
    else:
        return [""] * len(rows)
    return [names[i] for i in scores.argmax(1).tolist()]
