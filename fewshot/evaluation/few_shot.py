"""N-way K-shot accuracy on classes the model has never seen."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import numpy as np
import torch

from fewshot.errors import UserError
from fewshot.evaluation.feature_space import FeatureSpace, within_class_whitening
from fewshot.evaluation.few_shot_report import (
    FewShotResult,
    few_shot_report,
    figure_names,
    head_name,
)
from fewshot.evaluation.few_shot_scores import score_episodes
from fewshot.evaluation.gallery import stratified_rows
from fewshot.evaluation.inference import embed
from fewshot.evaluation.naming import checked_prefix, reported_split
from fewshot.evaluation.novel import NovelImages, novel_images
from fewshot.evaluation.novel_episodes import NovelEpisodes, Setting
from fewshot.evaluation.refusals import checked_head
from fewshot.heads.prototypes import NearestPrototype, SimpleShot
from fewshot.interfaces import Dataset, Evaluation

_BASE_ROWS = 10_000


@gin.register
class FewShotEvaluation:
    """Accuracy over N-way K-shot episodes: mean and 95 % confidence interval over episodes.

    dataset: factory of the novel classes' dataset, e.g. @novel/FashionDataset; None takes every
    split but "train", whose classes must then be disjoint from the training classes, and also
    evaluates during training. heads: factories (default nearest prototype and SimpleShot).
    episodes: factory of which are drawn, whose numbers are bound on NovelEpisodes, e.g.
    NovelEpisodes.n_way = 5. Exact twins count once, so support and query never share one. centre:
    subtract the mean training embedding where there is a training split, but for heads whose
    `centred` is False. whiten: shrinkage of a whitening of these features within the training
    classes, see `within_class_whitening`; around 5 is gentle, None leaves them. prefix: put before
    figures and files, so that two of these evaluators keep apart.
    """

    def __init__(
        self,
        dataset: Callable[[], Dataset] | None = None,
        heads: Sequence[Callable[[], Any]] | None = None,
        episodes: Callable[[], NovelEpisodes] | None = None,
        centre: bool = True,
        whiten: float | None = None,
        prefix: str = "",
    ) -> None:
        defaults = (NearestPrototype, SimpleShot)
        factories = [gin.get_configurable(head) for head in defaults] if heads is None else heads
        built = [checked_head("FewShotEvaluation.heads", factory) for factory in factories]
        self.heads = {head_name(head): head for head in built}
        if len(self.heads) < len(factories) or not factories:
            raise UserError("FewShotEvaluation.heads is empty or has a head twice: name each once.")
        if whiten is not None and whiten <= 0:
            raise UserError(
                f"FewShotEvaluation.whiten is {whiten}: bind more than 0, e.g. 5.0, or None."
            )
        self.dataset = dataset
        self.monitors = dataset is None
        self.episodes = (episodes or gin.get_configurable(NovelEpisodes))()
        self.centre = centre
        self.whiten = whiten
        self.prefix = checked_prefix("FewShotEvaluation", prefix)
        self._own: Dataset | None = None

    def check(self, objective: Any, datasets: Mapping[str, Dataset]) -> None:
        """Raise, before anything is trained, what evaluating the datasets would raise."""
        train = datasets.get("train")
        if self.whiten is not None and (train is None or (train.labels < 0).any()):
            raise UserError(
                "FewShotEvaluation.whiten is bound, which needs a label on every training row: "
                "bind FashionDataset.label_column, or FewShotEvaluation.whiten = None."
            )
        for split, dataset in self._novel(datasets).items():
            pool = self._images(objective, split, dataset, train).pool
            for setting in self.episodes.settings(len(pool.class_names)):
                self._try_heads(setting)

    def figures(self, objective: Any, datasets: Mapping[str, Dataset]) -> set[str]:
        """The names of what the validation split gets."""
        images = self._images(
            objective, "validation", datasets["validation"], datasets.get("train")
        )
        settings = self.episodes.settings(len(images.pool.class_names))
        return figure_names(settings, self.heads, self.prefix)

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """Evaluate; raises UserError for overlapping classes, too few classes or images."""
        train = datasets.get("train")
        space = self._space(objective, train)
        results = {
            split: self._evaluate(objective, self._images(objective, split, dataset, train), space)
            for split, dataset in self._novel(datasets).items()
        }
        reported = "novel" if "novel" in results else reported_split(results)
        return few_shot_report(results, reported, self.prefix)

    def _novel(self, datasets: Mapping[str, Dataset]) -> dict[str, Dataset]:
        if self.dataset is None:
            return {name: data for name, data in datasets.items() if name != "train"}
        if self._own is None:
            train = datasets.get("train")
            self._own = self.dataset(**({} if train is None else train.further))
        return {"novel": self._own}

    def _images(
        self, objective: Any, split: str, dataset: Dataset, train: Dataset | None
    ) -> NovelImages:
        """What a split's episodes are drawn from, enough for every setting."""
        found = novel_images(dataset, split, objective, train)
        self.episodes.check(found.pool)
        return found

    def _try_heads(self, setting: Setting) -> None:
        """One episode of zeros each, for what a head refuses, such as too large a k."""
        n_way, n_shot = setting
        labels = torch.arange(n_way).repeat_interleave(n_shot)[None]
        support = torch.zeros(1, n_way * n_shot, 2)
        for head in self.heads.values():
            head(support, labels, torch.zeros(1, n_way, 2), n_way)

    def _space(self, objective: Any, train: Dataset | None) -> FeatureSpace:
        if train is None or (not self.centre and self.whiten is None):
            return FeatureSpace()
        # Without labels every row stands for one class.
        labels = train.labels if (train.labels >= 0).all() else np.zeros_like(train.labels)
        rows = stratified_rows(labels, _BASE_ROWS)
        features = embed(objective, train, rows=rows)
        whitening = None
        if self.whiten is not None:
            known = torch.from_numpy(labels[rows])
            whitening = within_class_whitening(features, known, self.whiten)
        return FeatureSpace(features.mean(0) if self.centre else None, whitening)

    def _evaluate(self, objective: Any, images: NovelImages, space: FeatureSpace) -> FewShotResult:
        pool = images.pool
        features = embed(objective, images.dataset, rows=images.rows)
        placed = space.place(features)
        result = FewShotResult(pool.class_names, len(images.rows), {}, {}, self.heads)
        ids = images.ids.astype(str).tolist()
        for setting in self.episodes.settings(len(pool.class_names)):
            episodes = self.episodes.drawn(pool, setting)
            result.digests[setting] = episodes.digest(ids)
            for name, head in self.heads.items():
                seen = placed if getattr(head, "centred", True) else features
                scores = score_episodes(head, seen, episodes, len(pool.class_names))
                result.scores[setting, name] = scores
        return result
