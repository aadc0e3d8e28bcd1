"""What a model needs of the training images to be used without them: a gallery and prototypes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.evaluation.feature_space import FeatureSpace, within_class_whitening
from fewshot.evaluation.gallery import stratified_rows
from fewshot.evaluation.inference import embed
from fewshot.heads.described import described
from fewshot.heads.prototypes import NearestPrototype
from fewshot.interfaces import Dataset, Evaluation, Evaluator

_BASE_ROWS = 10_000  # that prototypes are the means of, as few-shot evaluation's centre is
_COMPARED = 2**24  # numbers that a head compares with: 64 MB in float32
_SHOWN = 2**21  # numbers kept to show the most alike: 4 MB in float16
_FITTED = 2**22  # cosines that the temperature is fitted to
_WHITENED = 2048  # numbers in an embedding at most; the matrix is kept in half precision, 8 MB
_SHRINKAGE = 0.1  # of the whitening: 0.02 to 0.5 do as well
_LOOKED_AT = 500  # images, for their ground
_DARK = 16  # of 255
_TEMPERATURES = torch.logspace(-3, 1, 81, dtype=torch.float64)


def kept(
    objective: Any,
    datasets: Mapping[str, Dataset],
    evaluators: Sequence[Evaluator],
    found: Sequence[Evaluation],
) -> dict[str, Any]:
    """Everything that a run adds to its model file, plain values and tensors by name.

    No gallery and no prototypes where no training row has a label.
    """
    train = datasets.get("train")
    extras: dict[str, Any] = {}
    if train is not None and len(train):
        extras["items_on_black"] = _items_on_black(train)
    if train is not None and (train.labels >= 0).any():
        extras |= {
            "gallery": _gallery(objective, train, evaluators),
            "prototypes": _prototypes(objective, train),
        }
    for evaluation in found:
        extras |= {name: value for name, value in evaluation.kept.items() if name not in extras}
    return extras


def _items_on_black(train: Dataset) -> bool:
    """Whether nine in ten images of a sample are grey with a black border, and not all black."""
    rows = np.unique(np.linspace(0, len(train) - 1, _LOOKED_AT).astype(np.int64))
    images = train.images(rows).float()
    border = torch.cat(
        [images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]], dim=2
    )
    grey = (images - images[:, :1]).abs().amax((1, 2, 3)) == 0
    black = border.mean(1).median(dim=1).values < _DARK
    return bool((grey & black & (images.mean((1, 2, 3)) > 0)).float().mean() > 0.9)


def _gallery(objective: Any, train: Dataset, evaluators: Sequence[Evaluator]) -> dict[str, Any]:
    """In full precision where a head is to classify by it, else fewer rows in half of it."""
    classifies = getattr(objective, "scores", None) is not None
    head, references = (None, None) if classifies else _head(evaluators)
    width = embed(objective, train, rows=np.array([0])).shape[1]
    room = max(1, (_SHOWN if classifies else _COMPARED) // width)
    limits = [room, *([_BASE_ROWS] if classifies else []), *([references] if references else [])]
    rows = stratified_rows(train.labels, min(limits))
    present, labels = np.unique(train.labels[rows], return_inverse=True)
    features = embed(objective, train, rows=rows).cpu()
    return {
        "ids": tuple(str(image_id) for image_id in train.ids[rows]),
        "features": features.half() if classifies else features.clone(),
        "labels": torch.from_numpy(labels),
        "class_names": tuple(train.class_names[i] for i in present),
        "head": head,
    }


def _head(evaluators: Sequence[Evaluator]) -> tuple[dict[str, Any] | None, int | None]:
    """The head of the first evaluator that has one to keep, and how many references it takes."""
    for evaluator in evaluators:
        several = list(getattr(evaluator, "heads", {}).values())
        for head in [getattr(evaluator, "head", None), *several[:1]]:
            told = described(head)
            if told is not None:
                return told, getattr(evaluator, "max_references", None)
    return described(NearestPrototype()), None


def _prototypes(objective: Any, train: Dataset) -> dict[str, Any]:
    """The mean direction of each class, where directions in which classes vary count less."""
    rows = stratified_rows(train.labels, _BASE_ROWS)
    present, members = np.unique(train.labels[rows], return_inverse=True)
    labels = torch.from_numpy(members)
    features = embed(objective, train, rows=rows).cpu()
    mean, whitening = features.mean(0), _whitening(features, labels)
    units = F.normalize(FeatureSpace(mean, whitening).place(features))
    sums = units.new_zeros(len(present), units.shape[1]).index_add_(0, labels, units)
    some = slice(None, None, 1 + len(rows) * len(present) // _FITTED)
    cosines = units[some] @ F.normalize(sums).T
    return {
        "class_names": tuple(train.class_names[i] for i in present),
        "features": F.normalize(sums),
        "mean": mean,
        "whitening": None if whitening is None else whitening.half(),
        "temperature": _fitted(cosines, labels[some]),
    }


def _whitening(features: Tensor, labels: Tensor) -> Tensor | None:
    """[D, D]; None where no two images share a class, and for embeddings too wide for it."""
    if features.shape[1] > _WHITENED or len(labels.unique()) == len(labels):
        return None
    whitening = within_class_whitening(features, labels, _SHRINKAGE)
    return whitening.half().float()  # as it is kept


def _fitted(cosines: Tensor, labels: Tensor) -> float:
    """The temperature at which the softmax of cosines says best what the classes are."""
    exact = cosines.double()
    losses = [float(F.cross_entropy(exact / t, labels)) for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])
