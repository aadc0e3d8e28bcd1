"""How long it takes until something happens: the first step, --list, the error of a misspelt name.

    python -m benchmarks.start [--rounds 5]

Each is a process of its own on a warm cache (compiled modules, too, whatever this process is told
of them), in turn with one that does no more than `import torch`, which the first step is measured
beyond. The data are 2,560 synthetic images; what comes behind the first step is not waited for.
Times are the processor's, of both threads together.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.hardware import machine
from benchmarks.synthetic import synthetic_dataset

FIRST_STEP = """
import os, sys, time
started = time.process_time()
import torch
torch_in = time.process_time() - started
from fewshot.training import step
move = step.TrainingStep.move
def first(self):
    move(self)
    print("import torch", torch_in)
    print("first step", time.process_time() - started - torch_in, flush=True)
    os._exit(0)  # the rest of the run is not waited for
step.TrainingStep.move = first
import experiment
sys.exit(experiment.run(sys.argv[1:]))
"""


NO_CACHE = "PYTHONDONTWRITEBYTECODE"
LEAST = {"import torch": float("inf"), "first step": 1.5, "--list": 3, "a wrong name": 3}


def spent() -> float:
    """Seconds of the processor that the processes before took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def process(*words: str) -> tuple[float, str]:
    """(seconds of the processor, which other work does not lengthen; standard output and error)."""
    started = spent()
    users = {name: value for name, value in os.environ.items() if name != NO_CACHE}
    done = subprocess.run(
        (sys.executable, *words), capture_output=True, text=True, check=False, env=users
    )
    if done.returncode not in (0, 2):
        raise SystemExit(done.stderr)
    return spent() - started, done.stdout + done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        synthetic_dataset(place, 2_600, (28, 28), 1)
        table = pd.read_csv(place / "train.csv", dtype=str)
        table[:2_560].to_csv(place / "train.csv", index=False)
        table[2_560:].to_csv(place / "test.csv", index=False)
        bound = [
            f"FashionDataset.root_dir = '{place}'",
            f"FashionDataset.csv_file = '{place}/train.csv'",
            f"test/FashionDataset.csv_file = '{place}/test.csv'",
            f"FashionDataset.cache_dir = '{place}/cache'",
            "FashionDataset.importer = None",
            "ShuffledBatches.batch_size = 64",
            "main.num_epochs = 1",
        ]
        run = ["-c", "configs/fashion_mnist/fast.gin", "--output-dir", str(place / "runs")]
        for binding in bound:
            run += ["-p", binding]
        process("-c", FIRST_STEP, *run, "--name", "warm")
        rows: dict[str, list[float]] = {name: [] for name in LEAST}
        for number in range(given.rounds):
            _, said = process("-c", FIRST_STEP, *run, "--name", f"run{number}")
            if "first step" not in said:
                raise SystemExit(f"no step was done: {said}")
            for name in ("import torch", "first step"):
                told = [line.split()[-1] for line in said.splitlines() if line.startswith(name)]
                rows[name].append(float(told[0]))
            rows["--list"].append(process("experiment.py", "--list")[0])
            wrong = ("-c", "configs/fashion_mnist/fast.gin", "-p", "TransfrNet.encoder = None")
            rows["a wrong name"].append(process("experiment.py", *wrong)[0])
    for name, taken in rows.items():
        print(
            f"{name}: {statistics.median(taken):.2f} s, {min(taken):.2f} to {max(taken):.2f} "
            f"(at most {LEAST[name]:g})"
        )
    print(machine())


if __name__ == "__main__":
    main()
