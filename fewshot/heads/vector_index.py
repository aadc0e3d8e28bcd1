"""Nearest neighbours among more vectors than can be compared one by one: faiss, 8 bits a number.

The vectors stand in lists, each around a centre of k-means; a query is compared with those of the
lists whose centres are nearest. How many lists, is chosen when the index is made: as few as find
95 in 100 of the 10 nearest neighbours of a sample of its own vectors. What is found counts where it
is as near as the 10th of these: of vectors that are equal, any is as good.
"""

import ctypes
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot.errors import UserError
from fewshot.heads.comparing import Rows, exact, imported_faiss, prepared, recall
from fewshot.progress import ProgressBar

_RECALL = 0.95
_NEIGHBOURS = 10
_SAMPLE = 500  # vectors whose neighbours are looked up to tell the recall
_BLOCK = 1 << 16  # vectors added at a time
_TRAINED = 48  # vectors of which each centre is the mean; faiss warns below 39
_ROUNDS = 6  # of k-means
_MAPPED = 1 << 28  # bytes of a mapped file that may be in memory when its pages are given back


@dataclass(frozen=True)
class VectorIndex:
    """index: faiss'; metric: 'euclidean' or 'cosine'; recall: share of the 10 nearest neighbours
    that it found of each of a sample of its vectors.
    """

    index: Any
    metric: str
    recall: float

    def search(
        self,
        query: Tensor,
        k: int,
        among: NDArray[np.uint8] | None = None,
        lists: int | None = None,
    ) -> tuple[Tensor, Tensor]:
        """query [Q, D] -> squared distances float32 [Q, k], nearest first, and rows int64 [Q, k].

        Of unit vectors where the metric is 'cosine'. Fewer than k found: distance inf, row -1.
        among: a bit a row, the lowest first, of those that may be found; None: all may. lists: how
        many are searched for each query; None: as many as reach the recall.
        """
        faiss, probed = imported_faiss(), lists or self.index.nprobe
        mapped = faiss.downcast_InvertedLists(self.index.invlists)
        options = faiss.SearchParametersIVF(
            nprobe=probed,
            sel=None if among is None else faiss.IDSelectorBitmap(among),
            quantizer_params=faiss.SearchParametersHNSW(efSearch=_visited(probed)),
        )
        of_query = probed * self.index.ntotal / self.index.nlist * self.index.invlists.code_size
        # pytorch-metric-learning has faiss' own search replaced by one that takes no parameters
        search = getattr(self.index, "search_numpy", self.index.search)
        parts = []
        for part in query.split(max(1, int(_MAPPED / of_query))):
            parts.append(search(prepared(part, self.metric), k, params=options))
            if hasattr(mapped, "ptr"):
                _give_back(mapped)
        squared, rows = (
            torch.from_numpy(np.concatenate(some)) for some in zip(*parts, strict=True)
        )
        squared = squared.masked_fill(rows < 0, torch.inf)
        return squared.to(query.device), rows.to(query.device)

    def told(self) -> str:
        """For the reader: what was found of the exact neighbours, by what."""
        return (
            f"an index of {self.index.ntotal:,} vectors finds {self.recall:.3f} of the "
            f"{_NEIGHBOURS} nearest neighbours that comparing with all finds (recall@"
            f"{_NEIGHBOURS}, {self.metric}, {min(_SAMPLE, self.index.ntotal)} of its own vectors)"
        )

    def write(self, path: Path) -> None:
        """The index as faiss' file, which `opened` maps."""
        imported_faiss().write_index(self.index, str(path))


def opened(path: Path, metric: str, recall: float) -> VectorIndex:
    """The index of a file, of which only what queries need comes to memory.

    Raises UserError for a file that faiss cannot read, and without faiss.
    """
    faiss = imported_faiss()
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    except RuntimeError as error:
        raise UserError(f"the index '{path}' cannot be read: make it again.") from error
    faiss.downcast_InvertedLists(index.invlists).prefetch_nthread = 0  # they would read it all
    return VectorIndex(index, metric, recall)


def built(features: Rows, metric: str) -> VectorIndex:
    """The index of features [N, D], which may be a mapped file; raises UserError without faiss."""
    faiss = imported_faiss()
    faiss.omp_set_num_threads(torch.get_num_threads())
    count, width = features.shape
    lists = 1 << int(np.log2(max(1.0, min(4 * count**0.5, count / _TRAINED))))
    # which list a vector belongs to is looked up in a graph of the centres: with 8,192 of them,
    # comparing with each would take most of the time
    index = faiss.index_factory(width, f"IVF{lists}_HNSW32,SQ8", faiss.METRIC_L2)
    index.cp.niter, index.cp.max_points_per_centroid = _ROUNDS, _TRAINED
    index.train(prepared(features[_evenly(count, _TRAINED * lists)], metric))
    return filled(index, features, metric)


def filled(index: Any, features: Rows, metric: str) -> VectorIndex:
    """faiss' index, which has its centres and no vectors, with the features [N, D]."""
    count = len(features)
    with ProgressBar("indexing", count, "vectors") as bar:
        for start in range(0, count, _BLOCK):
            part = features[start : start + _BLOCK]
            index.add(prepared(part, metric))
            bar.update(len(part))
    return VectorIndex(index, metric, _recall_of(index, features, metric))


def _recall_of(index: Any, features: Rows, metric: str) -> float:
    """Of a sample of its vectors, searching as few lists as reach what is wanted, if any do."""
    own = _evenly(len(features), _SAMPLE)
    asked = prepared(features[own], metric)
    k = min(_NEIGHBOURS, len(features) - 1)
    true = _without(own, exact(features, asked, k + 1, metric)[1])
    reached = 0.0
    index.nprobe = 4
    centres = imported_faiss().downcast_index(index.quantizer).hnsw
    while True:
        centres.efSearch = _visited(index.nprobe)
        found = _without(own, index.search(asked, k + 1)[1])
        reached = recall(features, asked, found, true, metric)
        if reached >= _RECALL or index.nprobe >= index.nlist:
            return reached
        index.nprobe *= 2


def _visited(lists: int) -> int:
    """How many centres are looked at in their graph to find so many of them."""
    return max(64, 2 * lists)


def _without(own: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows [Q, k + 1] without the query itself, or the last where it is not among them."""
    itself = rows == own[:, None]
    itself[~itself.any(1), -1] = True
    others: NDArray[np.int64] = rows[~itself].reshape(len(rows), -1)
    return others


def _evenly(count: int, wanted: int) -> NDArray[np.int64]:
    """So many rows at most, spread over all."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))


def _give_back(lists: Any) -> None:
    """The pages of a mapped file, which stay with the system's cache as long as it has room."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise(
        ctypes.c_void_p(int(lists.ptr)), ctypes.c_size_t(lists.totsize), mmap.MADV_DONTNEED
    )
