"""Vectors compared one by one, block by block, by faiss: what an index is measured by."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fewshot.errors import UserError

REQUIREMENTS = "requirements-index.txt"
Rows = NDArray[np.float32]

_BLOCK = 1 << 16  # vectors compared at a time
# What rounding makes of a squared distance, and of one of twins, as a part of the squared length.
_ROUNDING, _TWINS = 1e-5, 1e-12


def exact(features: Rows, query: Rows, k: int, metric: str) -> tuple[Rows, NDArray[np.int64]]:
    """The same by comparing with all, a block of features [N, D] at a time; faiss' brute force."""
    faiss = imported_faiss()
    query = prepared(query, metric)
    best = np.full((len(query), k), np.inf, np.float32)
    rows = np.full((len(query), k), -1, np.int64)
    for start in range(0, len(features), _BLOCK):
        part = prepared(features[start : start + _BLOCK], metric)
        near, where = faiss.knn(query, part, min(k, len(part)), faiss.METRIC_L2)
        near, where = np.hstack([best, near]), np.hstack([rows, where + start])
        order = np.argsort(near, axis=1, kind="stable")[:, :k]
        best, rows = np.take_along_axis(near, order, 1), np.take_along_axis(where, order, 1)
    return best, rows


def recall(
    features: Rows,
    query: Rows,
    found: NDArray[np.int64],
    true: NDArray[np.int64],
    metric: str,
) -> float:
    """The share of the rows found [Q, k] that are as near to the query [Q, D] as the farthest of
    the true neighbours [Q, k] is; a row -1 is none.
    """
    query = prepared(query, metric)
    near, far = (_distances(features, query, rows, metric) for rows in (found, true))
    lengths = np.square(query, dtype=np.float64).sum(1, keepdims=True)
    limit = far.max(1, keepdims=True) * (1 + _ROUNDING) + _TWINS * lengths
    return float(((near <= limit) & (found >= 0)).mean())


def _distances(
    features: Rows, query: Rows, rows: NDArray[np.int64], metric: str
) -> NDArray[np.float64]:
    """Squared [Q, k], of the query [Q, D] as `prepared` to rows [Q, k], by subtraction."""
    columns = [prepared(features[column.clip(0)], metric) for column in rows.T]
    return np.stack([np.square(query - of, dtype=np.float64).sum(1) for of in columns], axis=1)


def imported_faiss() -> Any:
    """faiss, which is no part of the core; raises UserError where it is not installed."""
    try:
        import faiss
    except ImportError as error:
        raise UserError(
            "so many vectors are searched by faiss, which is not installed: "
            f"python -m pip install -r {REQUIREMENTS}"
        ) from error
    return faiss


def prepared(features: Rows | Tensor, metric: str) -> Rows:
    """Float32 [N, D] as faiss takes them, of length 1 where the metric is 'cosine'."""
    exact = torch.as_tensor(np.array(features) if isinstance(features, np.ndarray) else features)
    exact = exact.detach().cpu().float()
    return np.ascontiguousarray(
        (F.normalize(exact, dim=1) if metric == "cosine" else exact).numpy()
    )
