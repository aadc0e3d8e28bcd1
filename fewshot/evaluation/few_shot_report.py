"""Few-shot figures as an Evaluation: tables by kind of head, per class, and episode by episode."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fewshot.evaluation.few_shot_scores import EpisodeScores
from fewshot.evaluation.naming import prefixed, titled
from fewshot.evaluation.novel_episodes import Setting
from fewshot.interfaces import Evaluation
from fewshot.sections import Block, Picture, Section, Table
from fewshot.spreadsheet import write_csv


@dataclass(frozen=True)
class FewShotResult:
    """One dataset's episodes: digests by setting, scores by (setting, head name)."""

    class_names: tuple[str, ...]
    n: int
    digests: dict[Setting, str]
    scores: dict[tuple[Setting, str], EpisodeScores]
    heads: Mapping[str, Any]

    def kind(self, name: str) -> str:
        """Whether the head sees one query at a time or all of them."""
        return _kind(self.heads[name])

    def metrics(self, prefix: str) -> dict[str, Any]:
        """n, n_classes, and {kind: {"5way_1shot": {head: {mean, ci95, n}}}}, but for n prefixed."""
        found: dict[str, Any] = {"n_classes": len(self.class_names)}
        for (setting, name), scores in self.scores.items():
            kind = found.setdefault(self.kind(name), {})
            kind.setdefault(_key(setting), {})[name] = scores.summary()
        return {"n": self.n, **prefixed(found, prefix)}

    def accuracies(self, kind: str) -> pd.DataFrame:
        """n_way, n_shot, head, mean, ci95, n of every head of the kind: the same, as in a file."""
        rows = [
            {**setting._asdict(), "head": name, **scores.summary()}
            for (setting, name), scores in self.scores.items()
            if self.kind(name) == kind
        ]
        return pd.DataFrame(rows)

    def per_class(self) -> pd.DataFrame:
        """kind, head, n_way, n_shot, class, n (queries over all episodes), top1."""
        parts = []
        for (setting, name), scores in self.scores.items():
            n, right = scores.confusions.totals(), scores.confusions.right()
            top1 = np.divide(right, n, out=np.full(len(n), np.nan), where=n > 0)
            start = self._start(setting, name)
            parts.append(pd.DataFrame({**start, "class": self.class_names, "n": n, "top1": top1}))
        return pd.concat(parts, ignore_index=True)

    def confusions(self) -> pd.DataFrame:
        """kind, head, n_way, n_shot, class, predicted, n: the pairs that occurred."""
        parts = []
        names = np.array(self.class_names)
        for (setting, name), scores in self.scores.items():
            found = scores.confusions
            cells = {"class": names[found.true], "predicted": names[found.predicted]}
            cells["n"] = found.counts
            parts.append(pd.DataFrame({**self._start(setting, name), **cells}))
        return pd.concat(parts, ignore_index=True)

    def _start(self, setting: Setting, name: str) -> dict[str, Any]:
        """The first columns of a row."""
        shape = {"n_way": setting.n_way, "n_shot": setting.n_shot}
        return {"kind": self.kind(name), "head": name, **shape}

    def write_episodes(self, path: Path) -> None:
        """Accuracies [M, E] with names [M] ("head, setting") and digests [M] of their episodes."""
        with path.open("wb") as file:
            np.savez_compressed(
                file,
                names=np.array([f"{name}, {setting}" for setting, name in self.scores]),
                digests=np.array([self.digests[setting] for setting, _ in self.scores]),
                accuracies=np.stack([scores.accuracies for scores in self.scores.values()]),
            )

    def draw_confusion(self, path: Path) -> None:
        """The confusions of the first head in the last setting, over all its episodes."""
        from fewshot.reports.plots import confusion_matrix  # matplotlib is slow to import

        scores = self.scores[list(self.digests)[-1], next(iter(self.heads))]
        confusion_matrix(scores.confusions, self.class_names, path)


def figure_names(settings: Sequence[Setting], heads: Mapping[str, Any], prefix: str) -> set[str]:
    """The figures of those settings and heads, "inductive/5way_1shot/KNN"."""
    accuracies = {
        f"{prefix}{_kind(head)}/{_key(setting)}/{name}"
        for setting in settings
        for name, head in heads.items()
    }
    return accuracies | {"n", f"{prefix}n_classes"}


def _kind(head: Any) -> str:
    return "transductive" if getattr(head, "transductive", False) else "inductive"


def _key(setting: Setting) -> str:
    return f"{setting.n_way}way_{setting.n_shot}shot"


def head_name(head: Any) -> str:
    """The head's class, and those of its options that are not the default: KNN(k=1)."""
    options = []
    for field in dataclasses.fields(head) if dataclasses.is_dataclass(head) else ():
        value = getattr(head, field.name)
        if value != field.default:
            options.append(f"{field.name}={value}")
    return type(head).__name__ + (f"({', '.join(options)})" if options else "")


def few_shot_report(
    results: Mapping[str, FewShotResult], split: str | None, prefix: str = ""
) -> Evaluation:
    """The Evaluation of all splits; files and tables are of the given one."""
    metrics = {name: result.metrics(prefix) for name, result in results.items()}
    if split is None:
        return Evaluation(metrics)
    result = results[split]
    artifacts: dict[str, Callable[[Path], None]] = {
        f"{prefix}episodes.npz": result.write_episodes,
        f"{prefix}few_shot_confusions.csv": partial(write_csv, result.confusions()),
        f"{prefix}few_shot_confusion_matrix.png": result.draw_confusion,
    }
    sections = [
        Section(
            f"{titled(prefix, 'Few-shot accuracy')}, {kind} heads, {split} classes",
            [
                Table(
                    f"tables/{prefix}few_shot_accuracy_of_{kind}_heads.csv",
                    result.accuracies(kind),
                    "mean over episodes with its 95 % confidence interval",
                    across=("n_way", "n_shot"),
                )
            ],
            15,
        )
        for kind in dict.fromkeys(result.kind(name) for name in result.heads)
    ]
    return Evaluation(metrics, artifacts, [*sections, *_details(result, prefix)])


def _details(result: FewShotResult, prefix: str) -> list[Section]:
    """What is worth reading in a report and too long for a terminal."""
    name = f"{prefix}few_shot_per_class.csv"
    across = ("kind", "head", "n_way", "n_shot")
    picture = Picture(
        f"{prefix}few_shot_confusion_matrix.png",
        "Confusions of the first head in the last setting, over all its episodes",
    )
    parts: dict[str, Block] = {
        "Few-shot accuracy per class": Table(name, result.per_class(), across=across),
        "Few-shot confusions": picture,
    }
    return [
        Section(titled(prefix, title), [block], 20, console=False) for title, block in parts.items()
    ]
