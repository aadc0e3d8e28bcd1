"""Features drawn on a plane: PCA, t-SNE or UMAP, the same picture every time."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fewshot.errors import UserError
from fewshot.progress import ProgressBar

METHODS = ("tsne", "pca", "umap")

FloatArray = NDArray[np.floating]

_PERPLEXITY = 30.0
# Below this a neighbourhood is the whole set, and only the principal axes say anything.
_FEWEST_FOR_NEIGHBOURS = 10


def check_method(method: str) -> None:
    """Raises UserError for a method that does not exist, or whose library is not installed."""
    if method not in METHODS:
        raise UserError(f"EmbeddingMap.method is '{method}': use one of {', '.join(METHODS)}.")
    if method == "umap":
        _umap_class()


def project(features: FloatArray, method: str = "tsne", seed: int = 0) -> FloatArray:
    """Features [N, D] -> points [N, 2], deterministic for a seed.

    method: 'tsne' (https://www.jmlr.org/papers/v9/vandermaaten08a.html, started from the principal
    axes), 'umap' (https://arxiv.org/abs/1802.03426) or 'pca'; fewer than 10 rows are always drawn
    by PCA. Raises UserError as `check_method`.
    """
    check_method(method)
    features = np.asarray(features, dtype=np.float64)
    if method == "pca" or len(features) < _FEWEST_FOR_NEIGHBOURS:
        return _pca(features)
    return _tsne(features, seed) if method == "tsne" else _umap(features, seed)


def _pca(features: FloatArray) -> FloatArray:
    centred = features - features.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    # An axis has no direction of its own: its largest component points up.
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(1)]
    points = centred @ (axes * np.where(largest < 0, -1.0, 1.0)[:, None]).T
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))


def _tsne(features: FloatArray, seed: int) -> FloatArray:
    from openTSNE import TSNE  # imports slowly, and only maps need it

    model = TSNE(
        perplexity=min(_PERPLEXITY, (len(features) - 1) / 3),
        n_jobs=torch.get_num_threads(),
        random_state=seed,
    )
    points = model.prepare_initial(features)  # the search for neighbours, which is no round
    early, late, between = 250, 500, 10
    with ProgressBar("t-SNE", early + late, "rounds") as bar:
        told = {"callbacks": lambda *_: bar.update(between), "callbacks_every_iters": between}
        for rounds, exaggeration in ((early, model.early_exaggeration), (late, None)):
            points.optimize(rounds, exaggeration=exaggeration, inplace=True, **told)
    return np.asarray(points)


def _umap(features: FloatArray, seed: int) -> FloatArray:
    neighbours = min(15, len(features) - 1)
    # One thread: with more, equal seeds give unequal maps.
    model = _umap_class()(n_neighbors=neighbours, random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(features))


def _umap_class() -> Any:
    try:
        from umap import UMAP
    except ImportError as error:
        raise UserError(
            "EmbeddingMap.method is 'umap', but umap-learn is not installed: pip install "
            "umap-learn, or use 'tsne' or 'pca'."
        ) from error
    return UMAP
