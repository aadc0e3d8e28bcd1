"""The t-SNE of an embedding map against scikit-learn's, in one run.

    python -m benchmarks.maps [--points 20000]

128-d features of 20 classes that overlap, perplexity 30, the rounds of optimisation that each has
by default (750 and 1,000). Prints seconds, the ratio, and how many of a point's 10 nearest are of
its class in either map and in the features themselves: a map that is fast and worse shows there.
"""

import argparse

import numpy as np
import torch
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from benchmarks.hardware import report, seconds
from fewshot.evaluation.projection import project


def of_one_class(points: np.ndarray, labels: np.ndarray) -> float:
    """The share of the 10 nearest of each point that are of its class."""
    near = NearestNeighbors(n_neighbors=11).fit(points).kneighbors(return_distance=False)
    return float((labels[near[:, :10]] == labels[:, None]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=20_000)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 20, given.points)
    centres = rng.normal(0, 0.42, (20, 128))
    features = centres[labels] + rng.normal(0, 1, (given.points, 128))
    maps = {}

    def ours() -> None:
        maps["ours"] = project(features, "tsne", 0)

    def scikit_learn() -> None:
        model = TSNE(perplexity=30, init="pca", random_state=0, n_jobs=torch.get_num_threads())
        maps["scikit-learn"] = model.fit_transform(features.astype("f4"))

    own, other = seconds(ours), seconds(scikit_learn)
    of_class = "of the nearest are of one class"
    print(f"the features themselves: {of_one_class(features, labels):.3f} {of_class}")
    for name, took in (("ours", own), ("scikit-learn", other)):
        print(f"{name}: {took:.0f} s, {of_one_class(maps[name], labels):.3f} {of_class}")
    report(f"a map of {given.points} points against scikit-learn's", [other / own], 3.0)


if __name__ == "__main__":
    main()
