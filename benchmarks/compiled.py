"""Training steps with and without Hardware.compiled, in one run.

    python -m benchmarks.compiled configs/fashion_mnist/best.gin [-p BINDING] [--steps 40]

The config's objective on one resident batch of 28x28 grey images, in the precision that
`Hardware.precision = 'auto'` chooses here: augmentation, forward, backward and optimiser step. Each
side has its own copy, rounds alternate, and compiling is timed by itself.
Prints images/s of each side and their ratio.
"""

import argparse
import contextlib
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gin
import torch

from benchmarks.synthetic import synthetic_dataset
from fewshot.batch import Batch, DataSpec
from fewshot.binding.config import load
from fewshot.training.accelerator import AUTO, launch_fabric
from fewshot.training.compilation import compiled_encoder
from fewshot.training.step import TrainingStep

SIZE, ROWS = (28, 28), 128


def prepared(spec: DataSpec, batch: Batch) -> tuple[torch.nn.Module, Callable[[], object]]:
    """A new objective, and one training step of it on the batch."""
    objective = gin.get_configurable("TransferNet")(spec).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1e-3)
    fabric = launch_fabric("cpu", 1, AUTO)
    step = TrainingStep(fabric, objective.train(), optimizer, None)
    return objective, lambda: step(batch, 0, 1)


def rate(step: Callable[[], object], steps: int) -> float:
    """Images/s."""
    started = time.perf_counter()
    for _ in range(steps):
        step()
    return ROWS * steps / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("-p", "--parameter", action="append", default=[])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    logging.getLogger("fewshot").setLevel(logging.WARNING)
    load([arguments.config], arguments.parameter)
    with tempfile.TemporaryDirectory() as temporary:
        dataset = synthetic_dataset(Path(temporary), rows=ROWS, size=SIZE, channels=1)
        spec = DataSpec(dataset.class_names, 1, SIZE, *dataset.statistics(), ROWS)
        rows = torch.arange(ROWS)
        keys = torch.stack([torch.zeros_like(rows), torch.zeros_like(rows), rows], 1)
        labels = torch.from_numpy(dataset.labels)
        batch = Batch(dataset.images(rows.numpy()), labels, rows, keys)
    with contextlib.ExitStack() as stack:
        _, plain = prepared(spec, batch)
        objective, compiled = prepared(spec, batch)
        stack.enter_context(compiled_encoder(objective))
        started = time.perf_counter()
        compiled()
        print(f"compiled in {time.perf_counter() - started:.0f} s")
        rate(plain, 5), rate(compiled, 5)
        rates = [
            (rate(plain, arguments.steps), rate(compiled, arguments.steps))
            for _ in range(arguments.rounds)
        ]
    for number, (without, with_it) in enumerate(rates, 1):
        print(
            f"round {number}: plain {without:6.0f} images/s   compiled {with_it:6.0f} images/s   "
            f"ratio {with_it / without:.2f}"
        )
    ratio = statistics.median(with_it / without for without, with_it in rates)
    print(
        f"median ratio {ratio:.2f} over {len(rates)} rounds of {arguments.steps} steps, "
        f"torch {torch.__version__}, {torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
