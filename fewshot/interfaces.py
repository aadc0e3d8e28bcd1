"""How the nouns meet: every method and optional attribute that one of them asks of another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fewshot.batch import Batch, DataSpec, IntArray
from fewshot.sections import Section, tables_of
from fewshot.spreadsheet import write_csv


class Sampler(Protocol):
    """Row indices of each batch of an epoch, a pure function of (labels, seed, epoch).

    Built as `factory(labels=..., class_names=..., seed=...)`, where labels is int64 [N] (-1 where
    unlabelled); raises UserError at construction when a class is too small, naming it.
    layout: how a flat batch is ordered, "image", "anchor|positive|negative" or "support|query";
    sections: how many equal parts the layout has (processes take the same slice of each).
    """

    layout: str
    sections: int

    def __len__(self) -> int:
        """Batches in an epoch, the same for every epoch."""
        ...

    def batches(self, epoch: int) -> Sequence[IntArray]:
        """Row indices of each batch of the epoch."""
        ...


class Trainable(Protocol):
    """What the trainer uses of an objective, an nn.Module called as `module(batch)`.

    What it may also have, and the trainer then heeds: `before_step(step, total_steps)`, called
    before each forward pass with the steps done so far and those of the run; `after_step()`, after
    each optimiser step; on the class `compares_within_batch = True`, where the loss compares images
    without `batch.gather`, which several processes would make another, and `needs_labels = True`,
    to leave rows without a label out; for steps that are recorded `step_is_apart()` and, on the
    class, `recordable_before_step = True`, see objectives/objective.py.
    """

    def __call__(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """(loss to minimise, {name: detached scalar} to log)."""
        ...

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimiser gets."""
        ...


class Savable(Protocol):
    """What model.mdl is made of: an objective's parts by what they are for.

    embedded_by, scored_by: names of the submodules that make the embedding of the encoder's
    features and the scores of the embedding, "" where there is none; embeds_by_parts: whether
    encoder and that projection are all that `embed` takes. trained_classes, inherited_images: the
    classes and the digests of the images that the weights have learned from before.
    """

    spec: DataSpec
    encoder: Any
    inputs: Any
    class_names: tuple[str, ...]
    trained_classes: tuple[str, ...]
    inherited_images: IntArray
    embedded_by: str
    scored_by: str

    @property
    def embeds_by_parts(self) -> bool:
        """Whether a model file is enough to embed."""
        ...

    def rest_state(self) -> dict[str, Tensor]:
        """Every tensor to keep beside the encoder's."""
        ...

    def load_rest_state(self, state: dict[str, Tensor]) -> None:
        """Take back what `rest_state` gave."""
        ...


@dataclass(frozen=True)
class Evaluation:
    """What an evaluator found.

    metrics: {split: {name: figure}}, merged into results.json; artifacts: {file name: a function
    that writes it at the path it is given}, to which the sections' tables are added; sections: what
    console and reports show; kept: what model.mdl is to hold of it, by the names that
    fewshot/models/extras.py knows; more: what is only looked at when a run ends, such as galleries
    of images: asked for once, with the objective still in place.
    """

    metrics: Mapping[str, Mapping[str, Any]]
    artifacts: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)
    sections: Sequence[Section] = ()
    kept: Mapping[str, Any] = field(default_factory=dict)
    more: "Callable[[], Evaluation] | None" = None

    def __post_init__(self) -> None:
        tables = {name: partial(write_csv, t) for name, t in tables_of(self.sections).items()}
        object.__setattr__(self, "artifacts", {**self.artifacts, **tables})

    def whole(self) -> "Evaluation":
        """With what `more` adds."""
        added = self.more() if self.more else Evaluation({})
        artifacts = {**self.artifacts, **added.artifacts}
        sections = [*self.sections, *added.sections]
        return replace(self, artifacts=artifacts, sections=sections, more=None)


class Dataset(Protocol):
    """What the other nouns use of FashionDataset.

    further: the keywords with which a data set beside this one is opened.
    """

    ids: NDArray[Any]
    labels: IntArray
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    channels: int
    further: Mapping[str, Any]

    def __len__(self) -> int:
        """Rows."""
        ...

    def images(self, rows: IntArray) -> Tensor:
        """uint8 [len(rows), C, H, W]."""
        ...

    def image_digests(self) -> IntArray:
        """int64 [rows], equal for rows whose images are equal in every pixel."""
        ...

    def column(self, name: str) -> NDArray[np.object_]:
        """What a further column of the CSV says, a string a row, '' where it is blank."""
        ...


class Evaluator(Protocol):
    """Objective and datasets -> figures, tables, pictures; knows nothing of training.

    monitors: whether it is cheap enough to run on validation during training. It may also have
    `needs_labels`: True is refused before training where no training row has a label;
    `check(objective, datasets)`: refuses, before training, what it would refuse after it;
    `figures(objective, datasets)`: the names of what it may report of the validation split, by
    which main.select_by is checked before training;
    `prefix`: put before its figures and files, so that two of one kind keep apart;
    `head`: what it compares embeddings with labelled ones by, which model.mdl keeps.
    """

    monitors: bool

    def __call__(self, objective: Any, datasets: Mapping[str, Any]) -> Evaluation:
        """Evaluate on every split it knows ("train" is the gallery, never scored)."""
        ...


class ObjectiveLike(Protocol):
    """What evaluators use of an objective.

    trained_classes, inherited_images: see Savable. What it may also have: `scores(uint8 images) ->
    float [B, number of class names]`, higher being likelier, where it classifies; with it, where
    that takes the embedding alone, `scores_of(features float [B, D])`, so that an image that was
    embedded is not computed again; `pretext_figures(images) -> {name: float [B]}` and
    `reconstruct(images) -> (seen, rebuilt)`, as PretextTask and Reconstructions ask for them. One
    that learned further label columns has `columns`, {column: its classes}, and
    `column_scores_of(features) -> {column: [B, its classes]}`.
    """

    class_names: tuple[str, ...]
    trained_classes: tuple[str, ...]
    inherited_images: IntArray

    def embed(self, images: Tensor) -> Tensor:
        """uint8 [B, C, H, W] -> float [B, D]."""
        ...


class Head(Protocol):
    """What evaluators classify embeddings with: a pure function, bound as a factory.

    It may also have `transductive = True`: a query's scores depend on other queries; `centred =
    False`: features are not to be moved to the training rows' mean; `k`: support rows it needs;
    `fitted(support, labels, n_classes)`: scores(query) for export; `against`: see heads/against.py.
    """

    def __call__(self, support: Tensor, labels: Tensor, query: Tensor, n_classes: int, /) -> Tensor:
        """Features [S, D], int64 [S], features [Q, D] -> scores [Q, n_classes]; high is likely."""
        ...
