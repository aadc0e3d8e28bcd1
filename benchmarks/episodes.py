"""Few-shot evaluation against easyfsl's, in one run.

    python -m benchmarks.episodes [--episodes 10000] [--rounds 3]

5-way 5-shot episodes with 15 queries a class on 20,000 cached 128-d features of 20 classes, scored
by the nearest prototype (easyfsl: PrototypicalNetworks over an identity backbone). Both sides draw
their own episodes, of the same kind, and end with an accuracy; features are in memory for both.

ours            draw_episodes and score_episodes, timed together
easyfsl         its own `evaluate` over its FeaturesDataset and TaskSampler through a DataLoader, as
                its documentation does it, timed as a whole. TaskSampler.__init__ passes torch's
                Sampler an argument that it no longer takes: here that one call is left out.
easyfsl, ready  the same `evaluate` over tasks that were drawn and collated beforehand, untimed:
                what its method and loop cost alone (ours still draws)

Rounds alternate, so that a noisy machine hits both. Prints the median seconds and the two ratios;
the first is the one to hold, at least 20.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from easyfsl.datasets import FeaturesDataset
from easyfsl.methods import PrototypicalNetworks
from easyfsl.samplers import TaskSampler
from easyfsl.utils import evaluate
from torch import Tensor
from torch.utils.data import DataLoader

from fewshot.evaluation.episodes import Pool, draw_episodes
from fewshot.evaluation.few_shot_scores import score_episodes
from fewshot.heads.prototypes import NearestPrototype

N_WAY, N_SHOT, N_QUERY = 5, 5, 15
ROWS, WIDTH, CLASSES = 20_000, 128, 20
READY = 1000  # tasks kept collated, gone through as often as needed: 10,000 would take 500 MB


class WorkingTaskSampler(TaskSampler):
    """easyfsl's sampler without its call of torch's Sampler.__init__, which refuses data_source."""

    def __init__(self, dataset: FeaturesDataset, n_tasks: int) -> None:
        self.n_way, self.n_shot, self.n_query, self.n_tasks = N_WAY, N_SHOT, N_QUERY, n_tasks
        self.items_per_label = {}
        for item, label in enumerate(dataset.get_labels()):
            self.items_per_label.setdefault(label, []).append(item)
        self._check_dataset_size_fits_sampler_parameters()


def features() -> tuple[Tensor, np.ndarray]:
    """Gaussian classes that overlap, so that accuracies are far from 0 and 1."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, ROWS)
    centres = rng.normal(0, 0.3, (CLASSES, WIDTH))
    return torch.from_numpy(
        (centres[labels] + rng.normal(0, 1, (ROWS, WIDTH))).astype("f4")
    ), labels


def loader(embeddings: Tensor, labels: np.ndarray, tasks: int) -> DataLoader:
    """easyfsl's documented way from cached features to tasks."""
    dataset = FeaturesDataset(labels.tolist(), embeddings, [str(i) for i in range(CLASSES)])
    sampler = WorkingTaskSampler(dataset, tasks)
    return DataLoader(dataset, batch_sampler=sampler, collate_fn=sampler.episodic_collate_fn)


def ours(embeddings: Tensor, labels: np.ndarray, episodes: int, seed: int) -> float:
    """The mean accuracy over freshly drawn episodes."""
    pool = Pool(labels, tuple(str(i) for i in range(CLASSES)))
    drawn = draw_episodes(pool, N_WAY, N_SHOT, N_QUERY, episodes, seed)
    return float(score_episodes(NearestPrototype(), embeddings, drawn, CLASSES).accuracies.mean())


def theirs(tasks: DataLoader | list, repeats: int = 1) -> float:
    """The mean accuracy that easyfsl's evaluate gives."""
    model = PrototypicalNetworks()
    found = [evaluate(model, tasks, device="cpu", use_tqdm=False) for _ in range(repeats)]
    return statistics.mean(found)


def timed(function: Callable[[], float]) -> tuple[float, float]:
    """(seconds, what it returned)."""
    started = time.perf_counter()
    found = function()
    return time.perf_counter() - started, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=10_000, help="a multiple of 1000")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    episodes = arguments.episodes
    embeddings, labels = features()
    ready = list(loader(embeddings, labels, READY))
    ours(embeddings, labels, READY, 0)  # warm up
    seconds: dict[str, list[float]] = {"ours": [], "easyfsl": [], "easyfsl, ready": []}
    accuracies = {}
    for number in range(arguments.rounds):
        sides: dict[str, Callable[[], float]] = {
            "ours": lambda seed=number: ours(embeddings, labels, episodes, seed),
            "easyfsl": lambda: theirs(loader(embeddings, labels, episodes)),
            "easyfsl, ready": lambda: theirs(ready, episodes // READY),
        }
        for name, side in sides.items():
            spent, accuracies[name] = timed(side)
            seconds[name].append(spent)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    for name, value in median.items():
        print(f"{name:<15} {value:7.2f} s for {episodes} episodes, accuracy {accuracies[name]:.4f}")
    print(
        f"ratio {median['easyfsl'] / median['ours']:.1f} (tasks ready beforehand: "
        f"{median['easyfsl, ready'] / median['ours']:.1f}), median of {arguments.rounds} rounds, "
        f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
