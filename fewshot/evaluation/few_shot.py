"""N-way K-shot accuracy on classes the model has never seen."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import numpy as np
from torch import Tensor

from fewshot.errors import UserError
from fewshot.evaluation.classification_metrics import labelled
from fewshot.evaluation.classification_report import reported_split
from fewshot.evaluation.episodes import Pool, draw_episodes
from fewshot.evaluation.few_shot_report import FewShotResult, Setting, few_shot_report, head_name
from fewshot.evaluation.few_shot_scores import score_episodes
from fewshot.evaluation.fingerprints import fingerprints
from fewshot.evaluation.gallery import stratified_rows
from fewshot.evaluation.inference import embed
from fewshot.interfaces import Dataset, Evaluation

logger = logging.getLogger("fewshot")

_BASE_ROWS = 10_000


@gin.register
class FewShotEvaluation:
    """Accuracy over N-way K-shot episodes: mean and 95 % confidence interval over episodes.

    dataset: factory of the novel classes' dataset, e.g. @novel/FashionDataset; None takes every
    split but "train", whose classes must then be disjoint from the training classes, and also
    evaluates during training. heads: factories (default nearest prototype and SimpleShot). n_way:
    numbers or 'all'; n_shot: numbers; every combination is evaluated. n_query: queries a class.
    seed: of the episodes, which are the same for every head, model and batch size; images that
    are exact twins count once, so support and query never share one. centre: subtract the mean
    training embedding where there is a training split.
    """

    def __init__(
        self,
        dataset: Callable[[], Dataset] | None = None,
        heads: Sequence[Callable[[], Any]] | None = None,
        n_way: int | str | Sequence[int | str] = 5,
        n_shot: int | Sequence[int] = (1, 5),
        n_query: int = 15,
        n_episodes: int = 1000,
        seed: int = 0,
        centre: bool = True,
    ) -> None:
        defaults = ("NearestPrototype", "SimpleShot")
        factories = [gin.get_configurable(name) for name in defaults] if heads is None else heads
        self.heads = {head_name(head): head for head in (factory() for factory in factories)}
        if len(self.heads) < len(factories) or not factories:
            raise UserError("FewShotEvaluation.heads is empty or has a head twice: name each once.")
        self.dataset = dataset
        self.monitors = dataset is None
        self.n_way = (n_way,) if isinstance(n_way, int | str) else tuple(n_way)
        self.n_shot = (n_shot,) if isinstance(n_shot, int) else tuple(n_shot)
        self.n_query = n_query
        self.n_episodes = n_episodes
        self.seed = seed
        self.centre = centre
        self._check()

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """Evaluate; raises UserError for overlapping classes, too few classes or images."""
        novel = {name: data for name, data in datasets.items() if name != "train"}
        if self.dataset is not None:
            novel = {"novel": self.dataset()}
        train = datasets.get("train")
        if train is not None:
            for split, dataset in novel.items():
                refuse_shared_images(train.ids.tolist(), dataset.ids.tolist(), split)
        mean = self._base_mean(objective, train)
        results = {
            split: self._evaluate(objective, split, dataset, mean)
            for split, dataset in novel.items()
        }
        reported = "novel" if "novel" in results else reported_split(results)
        return few_shot_report(results, reported)

    def _check(self) -> None:
        counts: dict[str, Sequence[Any]] = {
            "n_way": [n for n in self.n_way if n != "all"],
            "n_shot": self.n_shot,
            "n_query": [self.n_query],
            "n_episodes": [self.n_episodes],
        }
        for name, values in counts.items():
            least = 2 if name in ("n_way", "n_episodes") else 1
            for value in values:
                if not isinstance(value, int) or value < least:
                    also = " or 'all'" if name == "n_way" else ""
                    raise UserError(
                        f"FewShotEvaluation.{name} is {value!r}: use a whole number of {least} "
                        f"or more{also}."
                    )

    def _base_mean(self, objective: Any, train: Dataset | None) -> Tensor | None:
        if not self.centre or train is None:
            return None
        # Without labels every row stands for one class.
        labels = train.labels if (train.labels >= 0).all() else np.zeros_like(train.labels)
        return embed(objective, train, rows=stratified_rows(labels, _BASE_ROWS)).mean(0)

    def _evaluate(
        self, objective: Any, split: str, dataset: Dataset, mean: Tensor | None
    ) -> FewShotResult:
        rows = labelled(dataset, split)
        trained = getattr(objective, "trained_classes", objective.class_names)
        refuse_overlap(trained, rows.labels.tolist(), split)
        _, first = np.unique(fingerprints(dataset, rows.rows), return_index=True)
        kept = np.sort(first)
        if len(kept) < len(rows.rows):
            dropped = len(rows.rows) - len(kept)
            logger.info("%s: %d exact twins of other images left out", split, dropped)
        names, labels = np.unique(rows.labels[kept].astype(str), return_inverse=True)
        pool = Pool(labels, tuple(names.tolist()))
        settings = self._settings(pool)
        features = embed(objective, dataset, rows=rows.rows[kept])
        if mean is not None:
            features = features - mean
        result = FewShotResult(pool.class_names, len(kept), {}, {}, self.heads)
        ids = rows.ids[kept].astype(str).tolist()
        for setting in settings:
            episodes = draw_episodes(
                pool, setting.n_way, setting.n_shot, self.n_query, self.n_episodes, self.seed
            )
            result.digests[setting] = episodes.digest(ids)
            for name, head in self.heads.items():
                scores = score_episodes(head, features, episodes, len(pool.class_names))
                result.scores[setting, name] = scores
        return result

    def _settings(self, pool: Pool) -> list[Setting]:
        """Every combination, checked before anything is embedded."""
        total = len(pool.class_names)
        ways = dict.fromkeys(total if way == "all" else int(way) for way in self.n_way)
        for n_way in ways:
            pool.check(n_way, max(self.n_shot), self.n_query)
        return [Setting(n_way, n_shot) for n_way in ways for n_shot in self.n_shot]


def refuse_overlap(trained: Sequence[str], novel: Sequence[str], split: str) -> None:
    """Raises UserError when a class of the split was trained on."""
    shared = sorted(set(trained) & set(novel))
    if shared:
        more = f" and {len(shared) - 5} more" if len(shared) > 5 else ""
        raise UserError(
            f"classes of the {split} split that the model was trained on: "
            f"{', '.join(shared[:5])}{more}. Few-shot episodes are of classes never trained on: "
            "remove them from its CSV."
        )


def refuse_shared_images(trained: Sequence[Any], novel: Sequence[Any], split: str) -> None:
    """Raises UserError when an image of the split is a training row, with or without a label."""
    shared = sorted({str(name) for name in trained} & {str(name) for name in novel})
    if shared:
        raise UserError(
            f"{len(shared)} images of the {split} split are training rows, for example "
            f"{', '.join(shared[:5])}: remove them from one of the two CSVs."
        )
