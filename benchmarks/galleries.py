"""Galleries of millions: comparing with all vectors against the index of `python -m fewshot index`.

    python -m benchmarks.galleries [--rows 1000000] [--queries 10000] [--exact 10000]
    python -m benchmarks.galleries --rows 10000000 --exact 200 --centres /tmp/gallery-1000000.faiss

Vectors of 128 numbers and length 1 that lie as embeddings do: 1,000 types, centres and products
around them (0.6 times as far) drawn from a normal distribution whose variance falls as 1 / i along
128 directions, so that some 18 of these matter. Queries are drawn alike. They are written to
--folder (512 bytes a row) and mapped; the index is searched from its file. In turn, by the same
threads: comparing with all (as many queries as --exact), and the index, of which recall@10 is told.
Then a process of its own maps the index's file and searches again, for its memory alone. With
--centres, the lists are those of another index's file, which takes no k-means.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.hardware import machine, report, seconds
from fewshot.heads.comparing import Rows, exact, imported_faiss, recall
from fewshot.heads.vector_index import VectorIndex, built, filled, opened

WIDTH, TYPES, WITHIN, BLOCK = 128, 1000, 0.6, 100_000


def drawn(block: int, rows: int) -> Rows:
    """So many vectors [rows, 128], others for each block."""
    shop = np.random.default_rng(0)
    scale = np.arange(1, WIDTH + 1) ** -0.5
    scale = (scale / np.sqrt((scale**2).sum())).astype(np.float32)
    turn = np.linalg.qr(shop.standard_normal((WIDTH, WIDTH)))[0].astype(np.float32)
    centres = shop.standard_normal((TYPES, WIDTH)).astype(np.float32) * scale
    rng = np.random.default_rng([0, 1, block])
    types = rng.integers(TYPES, size=rows)
    around = WITHIN * scale * rng.standard_normal((rows, WIDTH), dtype=np.float32)
    found = (centres[types] + around) @ turn
    unit: Rows = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def written(path: Path, rows: int) -> Rows:
    """The gallery, mapped from a file that is made where it is not there."""
    if not path.is_file() or path.stat().st_size != rows * WIDTH * 4:
        with path.open("wb") as file:
            for start in range(0, rows, BLOCK):
                file.write(drawn(start // BLOCK, min(BLOCK, rows - start)).tobytes())
    return np.memmap(path, np.float32, "r", shape=(rows, WIDTH))


def peak() -> str:
    """The most memory that this process has had, of files that it maps as well."""
    # not getrusage's, which a process takes over from the one that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    most = next(line for line in lines if line.startswith("VmHWM"))
    return f"{int(most.split()[1]) * 1024 / 1e9:.2f} GB resident at most"


def search(path: Path, queries: int) -> None:
    """In a process of its own: the index's file, mapped and searched."""
    index = opened(path, "cosine", 1.0)
    query = torch.from_numpy(drawn(1 << 20, queries))
    taken = seconds(lambda: index.search(query, 10))
    print(f"{index.index.ntotal:,} vectors, {path.stat().st_size / 1e9:.2f} GB on disk: ", end="")
    print(f"{queries:,} queries in {taken:.1f} s, {peak()}, searched from disk on {machine()}")


def made(features: Rows, centres: Path | None) -> VectorIndex:
    """The index, with the centres of the one in a file where that is given."""
    if centres is None:
        return built(features, "cosine")
    faiss = imported_faiss()
    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.read_index(str(centres))
    index.reset()
    return filled(index, features, "cosine")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--exact", type=int, default=10_000, help="queries compared with all")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--centres", type=Path, help="the file of an index whose lists are taken")
    parser.add_argument("--search", type=Path, help="only this index's file")
    given = parser.parse_args()
    if given.search:
        search(given.search, given.queries)
        return
    features = written(given.folder / f"gallery-{given.rows}.f32", given.rows)
    lists = f"-by-{given.centres.stem}" if given.centres else ""
    path = given.folder / f"gallery-{given.rows}{lists}.faiss"
    if not path.is_file():
        print(f"index made in {seconds(lambda: made(features, given.centres).write(path)):.0f} s")
    print(f"so far {peak()}")
    query = drawn(1 << 20, given.queries)
    index = opened(path, "cosine", 1.0)
    found, true = [], []
    taken = seconds(lambda: found.append(index.search(torch.from_numpy(query), 10)[1].numpy()))
    some = query[: given.exact]
    all_of_them = seconds(lambda: true.append(exact(features, some, 10, "cosine")[1]))
    print(f"comparing with all: {len(some):,} queries in {all_of_them:.1f} s, {peak()}")
    print(
        f"index: {given.queries:,} queries in {taken:.1f} s, nprobe {index.index.nprobe} of ",
        end="",
    )
    reached = recall(features, some, found[0][: len(some)], true[0], "cosine")
    print(f"{index.index.nlist} lists, recall@10 {reached:.4f}")
    a_query = all_of_them / len(some)
    report("index against comparing with all", [a_query / (taken / given.queries)], 10)
    own = [sys.executable, "-m", "benchmarks.galleries", "--search", str(path)]
    subprocess.run([*own, "--queries", str(given.queries)], check=True)


if __name__ == "__main__":
    main()
