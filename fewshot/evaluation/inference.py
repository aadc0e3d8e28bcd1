"""A whole dataset through an objective, chunk by chunk, on the objective's device."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewshot.allocation import freed_memory_kept
from fewshot.augmentation.test_time import averaged
from fewshot.batch import IntArray
from fewshot.errors import UserError
from fewshot.evaluation.outputs import EvaluatedSplit, Output
from fewshot.heads.geometry import has_float64
from fewshot.interfaces import Dataset
from fewshot.progress import ProgressBar


def device_of(objective: Any) -> torch.device:
    """Where the objective's parameters are."""
    parameter = next(iter(objective.parameters()), None)
    return torch.device("cpu") if parameter is None else parameter.device


def _images_at_a_time(objective: Any) -> int:
    """Few on a processor: the maps of many take fresh pages of memory from the system at every
    layer, which costs as much as two thirds of the convolutions do; a GPU is only busy with many.
    """
    return 32 if device_of(objective).type == "cpu" else 512


def embed(
    objective: Any, dataset: Dataset, chunk: int | None = None, rows: IntArray | None = None
) -> Tensor:
    """Embeddings float32 [N, D] of the dataset's rows (or of some), on the objective's device, but
    on the CPU where that has no float64.

    Of an EvaluatedSplit, each image is embedded once, however often it is asked for. Raises
    UserError when an embedding is not finite.
    """
    return _kept(objective, dataset, chunk, rows, "embedding")


def score(
    objective: Any,
    dataset: Dataset,
    chunk: int | None = None,
    rows: IntArray | None = None,
    mirrored: bool = False,
    shift: int = 0,
) -> Tensor:
    """Scores float32 [N, number of class names], otherwise as `embed`.

    mirrored, shift: the mean over variants of each image, as variants.averaged has them. Without
    them, an objective that has `scores_of` scores the embeddings there are. Raises UserError for an
    objective that does not classify.
    """
    refuse_no_scores(objective)
    chunk = chunk or _images_at_a_time(objective)
    of_features = getattr(objective, "scores_of", None)
    if of_features is not None and not mirrored and shift == 0:
        features = embed(objective, dataset, chunk, rows)
        with torch.inference_mode():
            device = device_of(objective)
            parts = [of_features(part.to(device)).float() for part in features.split(chunk)]
            parts = [part.to(features.device) for part in parts]
        return _finite(torch.cat(parts), "scoring")
    return _kept(objective, dataset, chunk, rows, ("scoring", mirrored, shift))


def refuse_no_scores(objective: Any) -> None:
    """Raise UserError for an objective that does not classify."""
    if not hasattr(objective, "scores"):
        raise UserError(
            f"{type(objective).__name__} gives embeddings but no class scores: evaluate it with "
            "KNNClassification in place of Classification."
        )


def function_of(objective: Any, output: Output) -> Callable[[Tensor], Tensor]:
    """What makes an output of images: embeddings, or scores over variants of them."""
    if isinstance(output, str):
        embedding: Callable[[Tensor], Tensor] = objective.embed
        return embedding
    _, mirrored, shift = output
    return averaged(objective.scores, mirrored, shift)


def _kept(
    objective: Any, dataset: Dataset, chunk: int | None, rows: IntArray | None, output: Output
) -> Tensor:
    """An output of the rows' images, as an EvaluatedSplit keeps it."""
    chunk = chunk or _images_at_a_time(objective)
    rows = np.arange(len(dataset)) if rows is None else rows
    if len(rows) == 0:
        raise UserError(f"{_verb(output)}: the dataset has no rows.")
    function = function_of(objective, output)
    if isinstance(dataset, EvaluatedSplit) and dataset.objective is objective:
        source = dataset.dataset

        def compute(some: IntArray) -> Tensor:
            return through(function, objective, source, chunk, some, output)

        return dataset.take(output, rows, compute, chunk)
    return through(function, objective, dataset, chunk, rows, output)


def through(
    function: Callable[[Tensor], Tensor],
    objective: Any,
    dataset: Dataset,
    chunk: int,
    rows: IntArray,
    output: Output,
) -> Tensor:
    """The function of the rows' images float32 [N, D], so many at a time, in one process.

    Raises UserError where something is not finite.
    """
    device = device_of(objective)
    # heads and metrics are exact in float64
    home = device if has_float64(device) else torch.device("cpu")
    verb, outputs = _verb(output), []
    memory = freed_memory_kept(device) if len(rows) > chunk else contextlib.nullcontext()
    with torch.inference_mode(), memory, ProgressBar(verb, len(rows)) as bar:
        for start in range(0, len(rows), chunk):
            images = dataset.images(rows[start : start + chunk])
            outputs.append(function(images.to(device)).float().to(home))
            bar.update(len(images))
    return _finite(torch.cat(outputs), verb)


def _verb(output: Output) -> str:
    return output if isinstance(output, str) else output[0]


def _finite(outputs: Tensor, verb: str) -> Tensor:
    bad = int((~outputs.isfinite()).any(1).sum())
    if bad:
        raise UserError(
            f"{verb}: {bad} of {len(outputs)} outputs are not finite. Where the model was trained "
            "just now, lower the learning rate or clip the gradients; else look at Inputs.mean and "
            "Inputs.std, and at the weights that it was loaded from."
        )
    return outputs
