"""Images of all splits that are there twice, or nearly."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot.batch import IntArray
from fewshot.evaluation.split_rows import all_rows
from fewshot.interfaces import Dataset
from fewshot.precision import full_precision
from fewshot.progress import followed

_CANDIDATES = 3  # nearest in embedding whose pixels are compared
_CELLS = 1 << 25  # distances in memory at a time
_PAIRS = 1024  # pairs of images in memory at a time
_LEAST_CONTRAST = 8.0  # grey levels: below it, an image is plain but for noise
_COLUMNS = (
    *("id", "label", "other_id", "other_label", "distance"),
    *("split", "other_split", "row", "other_row"),
)


def near_duplicates(
    datasets: Mapping[str, Dataset], features: Mapping[str, Tensor], distance: float
) -> pd.DataFrame:
    """A row a later image with the nearest earlier one that shows the same, nearest pairs first.

    features: [N, D] of each split. Rows stand in the order of the splits, those that are no
    "train" split last, so that a test image is found as the twin of a training image.
    """
    names = sorted(datasets, key=lambda name: name != "train")
    starts = np.cumsum([0, *(len(datasets[name]) for name in names)])
    everything = torch.cat([features[name] for name in names])
    pairs = _candidates(everything)
    apart = _distances(pairs, [datasets[name] for name in names], starts)
    order = np.lexsort((pairs[1], apart, pairs[0]))
    order = order[apart[order] <= distance]
    _, first = np.unique(pairs[0][order], return_index=True)
    order = order[first]
    order = order[np.argsort(apart[order], kind="stable")]
    rows = [all_rows(datasets[name]) for name in names]
    ids = np.concatenate([found.ids.astype(str) for found in rows])
    labels = np.concatenate([found.names for found in rows])
    split = np.searchsorted(starts, np.arange(starts[-1]), side="right") - 1
    place = np.arange(starts[-1]) - starts[split]
    later, earlier = (side[order] for side in pairs)
    said = np.array(names, dtype=object)
    columns = [
        *(ids[later], labels[later], ids[earlier], labels[earlier], apart[order].round(4)),
        *(said[split[later]], said[split[earlier]], place[later], place[earlier]),
    ]
    return pd.DataFrame(dict(zip(_COLUMNS, columns, strict=True)))


def _candidates(features: Tensor) -> tuple[IntArray, IntArray]:
    """(later, earlier) rows of pairs, in which either is among the other's nearest; each once."""
    centred = (features - features.mean(0)).float()
    lengths = centred.square().sum(1)
    step = max(1, _CELLS // max(1, len(features)))
    count = min(_CANDIDATES, len(features) - 1)
    pairs = []
    starts = range(0, len(features), step)
    for start in followed(starts, "near duplicates", "parts"):
        part = centred[start : start + step]
        with full_precision(centred):
            squared = torch.addmm(lengths, part, centred.T, alpha=-2)
        own = torch.arange(len(part), device=part.device)
        squared[own, own + start] = torch.inf
        nearest = squared.topk(count, 1, largest=False).indices
        mine = (own + start)[:, None].expand_as(nearest)
        both = torch.stack([mine.flatten(), nearest.flatten()])
        pairs.append(torch.stack([both.amax(0), both.amin(0)]).cpu().numpy())
    found = np.unique(np.concatenate(pairs, axis=1), axis=1)
    return found[0], found[1]


def _distances(
    pairs: tuple[IntArray, IntArray], datasets: list[Dataset], starts: IntArray
) -> NDArray[np.float64]:
    """[P]: how far the pixels of each pair are apart."""
    found = np.empty(len(pairs[0]))
    for start in range(0, len(found), _PAIRS):
        part = slice(start, start + _PAIRS)
        a, b = (_pixels(side[part], datasets, starts) for side in pairs)
        contrast = np.minimum(a.std(1), b.std(1)).clip(_LEAST_CONTRAST)
        found[part] = np.sqrt(np.square(a - b).mean(1)) / contrast
    return found


def _pixels(rows: IntArray, datasets: list[Dataset], starts: IntArray) -> NDArray[np.float32]:
    """[len(rows), pixels]."""
    split = np.searchsorted(starts, rows, side="right") - 1
    height, width = datasets[0].image_size
    found = np.empty((len(rows), datasets[0].channels * height * width), np.float32)
    for number, dataset in enumerate(datasets):
        mine = np.flatnonzero(split == number)
        if len(mine):
            images = dataset.images(rows[mine] - starts[number])
            found[mine] = images.flatten(1).numpy()
    return found
