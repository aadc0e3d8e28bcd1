"""A recipe's accuracy and training seconds over seeds, as a table of how fast it is.

    python -m benchmarks.seeds_to_accuracy [-c configs/fashion_mnist/fast.gin] [--seeds 5]
        [--reach 0.935] [-p BINDING ...]

Runs `experiment.py` once a seed, each a process of its own, and prints seconds of training
(validation included, evaluation not) and test top-1 of the model that validation chose; then n,
mean, standard deviation, hardware. --reach: also says whether the mean is there.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.hardware import machine


def run(config: str, bindings: list[str], seed: int, place: Path) -> tuple[float, float]:
    """(training seconds, test top-1)."""
    words = [sys.executable, "experiment.py", "-c", config, "--name", f"seed{seed}"]
    words += ["--output-dir", str(place)]
    for binding in [*bindings, f"main.seed = {seed}"]:
        words += ["-p", binding]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    found = json.loads((place / f"seed{seed}" / "results.json").read_text())
    return float(found["train_seconds"]), float(found["test"]["top1"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-c", "--config", default="configs/fashion_mnist/fast.gin")
    parser.add_argument("-p", "--parameter", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--reach", type=float)
    given = parser.parse_args()
    seconds, accuracies = [], []
    print("seed  seconds  test top-1")
    with tempfile.TemporaryDirectory() as temporary:
        for seed in range(given.seeds):
            took, top1 = run(given.config, given.parameter, seed, Path(temporary))
            seconds.append(took)
            accuracies.append(top1)
            print(f"{seed:>4}  {took:7.1f}  {top1:.4f}", flush=True)
    spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
    mean = statistics.mean(accuracies)
    print(
        f"n {len(seconds)}, mean {statistics.mean(seconds):.1f} s, top-1 {mean:.4f} +- "
        f"{spread:.4f} (standard deviation), on {machine()}"
    )
    if given.reach is not None:
        print(f"{given.reach:g} is {'reached' if mean >= given.reach else 'not reached'}")


if __name__ == "__main__":
    main()
