"""k nearest neighbours against scikit-learn's brute force and faiss' flat index, in one run.

    python -m benchmarks.neighbours [--references 60000] [--queries 10000] [--rounds 3]

The 5 nearest of 60,000 references of 128 numbers for each of 10,000 queries, 10 classes, all in
float32; `pip install faiss-cpu` first. Ours gives exact neighbours, ties broken by row, and the
nearest reference of every class besides. Prints how many of the neighbours agree.
"""

import argparse

import faiss
import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from benchmarks.hardware import in_turn, report, seconds
from fewshot.heads.nearest import search

WIDTH, K, CLASSES = 128, 5, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", type=int, default=60_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, given.references)
    centres = rng.normal(0, 0.7, (CLASSES, WIDTH))
    support = (centres[labels] + rng.normal(0, 1, (given.references, WIDTH))).astype("f4")
    asked = centres[rng.integers(0, CLASSES, given.queries)]
    query = (asked + rng.normal(0, 1, asked.shape)).astype("f4")
    tensors = (torch.from_numpy(support), torch.from_numpy(labels), torch.from_numpy(query))
    faiss.omp_set_num_threads(torch.get_num_threads())
    found = {}

    def ours() -> None:
        found["ours"] = search(*tensors, CLASSES, K, "euclidean").rows.numpy()

    def scikit_learn() -> None:
        model = NearestNeighbors(n_neighbors=K, algorithm="brute", n_jobs=torch.get_num_threads())
        found["scikit-learn"] = model.fit(support).kneighbors(query, return_distance=False)

    def flat() -> None:
        index = faiss.IndexFlatL2(WIDTH)
        index.add(support)
        found["faiss"] = index.search(query, K)[1]

    sides = [lambda side=side: seconds(side) for side in (ours, scikit_learn, flat)]
    rounds = in_turn(sides, given.rounds)
    for own, brute, faiss_flat in rounds:
        print(f"ours {own:.2f} s, scikit-learn {brute:.2f} s, faiss {faiss_flat:.2f} s")
    for name in ("scikit-learn", "faiss"):
        same = np.mean(np.sort(found["ours"], 1) == np.sort(found[name], 1))
        print(f"neighbours as {name} has them: {same:.6f}")
    report("k-NN against scikit-learn brute", [b / o for o, b, _ in rounds], 1.8)
    report("k-NN against faiss flat", [f / o for o, _, f in rounds], 1.0)


if __name__ == "__main__":
    main()
