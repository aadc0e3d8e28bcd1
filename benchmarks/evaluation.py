"""A whole evaluation against the forward passes that it cannot do without, in one run.

    python -m benchmarks.evaluation [--rows 20000] [--rounds 3] [--profile]

20,000 test images of 143 classes, 64x48 RGB, 4,000 training images, a TransferNet on SmallResNet
that has not learned anything (figures do not matter here). One side is `experiment.py` with
`main.num_epochs = 0`, its evaluators Classification and KNNClassification, figures, tables,
pictures and report written; timed from the first evaluator on, so that start-up is not in it. The
other embeds the same rows from the same pack, as many at a time as the program does, and keeps
the features. Ratio: the second's seconds over the first's. --profile shows where the time goes.
"""

import argparse
import cProfile
import logging
import pstats
import tempfile
from pathlib import Path
from typing import Any

import gin
import numpy as np
import pandas as pd
import torch

import fewshot.main
from benchmarks.hardware import now, report, seconds
from benchmarks.synthetic import synthetic_dataset
from fewshot.binding.config import new_run
from fewshot.data.dataset import FashionDataset

CLASSES, TRAINING, CHUNK = 143, 4_000, 32  # images at a time, the fastest here
BINDINGS = [
    "main.objective = @TransferNet",
    "main.num_epochs = 0",
    "main.evaluators = [@Classification, @KNNClassification]",
    "main.validation_fraction = 0",
    "TransferNet.encoder = @SmallResNet",
    "KNNClassification.prefix = 'knn_'",
    "FashionDataset.image_size = (64, 48)",
    "FashionDataset.channels = 3",
    "FashionDataset.importer = None",
]


def forward_alone(objective: Any, datasets: list[FashionDataset]) -> None:
    """Every image through the encoder, once."""
    with torch.inference_mode():
        for dataset in datasets:
            parts = []
            for start in range(0, len(dataset), CHUNK):
                rows = np.arange(start, min(start + CHUNK, len(dataset)))
                parts.append(objective.embed(dataset.images(rows)))
            torch.cat(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    seen: dict[str, Any] = {}
    evaluate = fewshot.main._evaluate

    def evaluating(parts: Any, *others: Any) -> None:
        seen.update(parts=parts, began=now())
        if given.profile:
            seen["profile"] = cProfile.Profile()
            seen["profile"].enable()
        evaluate(parts, *others)
        seen["took"] = now() - seen["began"]
        if given.profile:
            seen["profile"].disable()

    fewshot.main._evaluate = evaluating
    logging.getLogger("fewshot").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        synthetic_dataset(place, TRAINING + given.rows, (64, 48), 3, CLASSES)
        table = pd.read_csv(place / "train.csv", dtype=str)
        table[:TRAINING].to_csv(place / "train.csv", index=False)
        table[TRAINING:].to_csv(place / "test.csv", index=False)
        bindings = [
            *BINDINGS,
            f"FashionDataset.root_dir = '{place}'",
            f"FashionDataset.csv_file = '{place}/train.csv'",
            f"test/FashionDataset.csv_file = '{place}/test.csv'",
            f"FashionDataset.cache_dir = '{place}/cache'",
        ]
        empty = place / "benchmark.gin"
        empty.write_text("")
        ratios = []
        for number in range(given.rounds):
            gin.clear_config()
            request = new_run([empty], bindings, f"run{number}", place / "runs", False)
            fewshot.main.main(request)
            parts = seen["parts"]
            parts.objective.eval()
            datasets = list(parts.data.evaluated.values())
            alone = seconds(lambda p=parts, d=datasets: forward_alone(p.objective, d))
            ratios.append(alone / seen["took"])
            print(f"evaluation {seen['took']:.1f} s, forward passes alone {alone:.1f} s")
        if given.profile:
            pstats.Stats(seen["profile"]).sort_stats("cumulative").print_stats(45)
    report("evaluation against its forward passes", ratios, 0.8)


if __name__ == "__main__":
    main()
