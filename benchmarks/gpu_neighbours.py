"""Seconds for the five nearest of many references on the device, against torch and faiss."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_steps import Bench
from fewshot.heads.nearest import search
from fewshot.precision import full_precision

WIDTH, K, CLASSES = 128, 5, 100
_CHUNK = 1024  # queries that the plain side takes at a time


@dataclass(frozen=True)
class Sought:
    """Seconds of each side, and the share of its neighbours that ours are."""

    ours: list[float]
    others: dict[str, tuple[list[float], float]]

    def rows(self) -> list[str]:
        """As lines of a table."""
        own = statistics.median(self.ours)
        lines = [f"| ours, ties settled, each class's nearest besides | {own:.3f} | – | – |"]
        for name, (seconds, same) in self.others.items():
            other = statistics.median(seconds)
            lines.append(f"| {name} | {other:.3f} | {other / own:.2f} | {same:.4f} |")
        return lines


def sought(bench: Bench, references: int, queries: int) -> Sought:
    """Of random vectors of 128 numbers in 100 classes, float32."""
    drawn = torch.Generator().manual_seed(0)
    support, query = (
        torch.randn(n, WIDTH, generator=drawn).to(bench.device) for n in (references, queries)
    )
    labels = torch.arange(references, device=bench.device) % CLASSES
    sides: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: search(support, labels, query, CLASSES, K, "euclidean").rows,
        "torch, cdist and topk": lambda: _plain(support, query),
        **_faiss(support, query),
    }
    found = {name: side() for name, side in sides.items()}  # which warms up
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(bench.rounds):
        for name, side in sides.items():
            bench.wait()
            started = time.perf_counter()
            side()
            bench.wait()
            seconds[name].append(time.perf_counter() - started)
    own = found["ours"].sort(1).values
    same = {
        name: float((own == rows.sort(1).values).float().mean()) for name, rows in found.items()
    }
    others = {name: (took, same[name]) for name, took in seconds.items() if name != "ours"}
    return Sought(seconds["ours"], others)


def _plain(support: Tensor, query: Tensor) -> Tensor:
    with full_precision(support):  # no TF32, which would find others
        parts = query.split(_CHUNK)
        return torch.cat([torch.cdist(some, support).topk(K, 1, False).indices for some in parts])


def _faiss(support: Tensor, query: Tensor) -> dict[str, Callable[[], Tensor]]:
    """faiss' flat index, on the GPU where it is built for one; nothing where it is not there."""
    try:
        import faiss
    except ImportError:
        return {}
    index: Any = faiss.IndexFlatL2(WIDTH)
    name = "faiss, flat index on the processor"
    if support.is_cuda and hasattr(faiss, "StandardGpuResources"):
        index = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, index)
        name = "faiss, flat index on the device"
    index.add(support.cpu().numpy())
    asked = query.cpu().numpy()
    return {name: lambda: torch.from_numpy(index.search(asked, K)[1]).to(support.device)}
