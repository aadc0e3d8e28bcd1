"""Faults by the thousand, and a table of what held: python -m tests.faults [--short] [PART ...]."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # forked processes start no threads of torch's

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.faults import disks, folders, hostile, models, pictures, stopped, tables, together
from tests.faults.mutated import Case, mutated
from tests.faults.scenes import keep_warm
from tests.faults.tally import Tally

# kind of input: (what makes its cases, how many)
INPUTS: Mapping[str, tuple[Callable[[Path], Case], int]] = {
    "CSVs, read": (tables.csv_cases, 3500),
    "CSVs, split": (tables.split_cases, 1000),
    ".gin files": (tables.gin_cases, 1500),
    "-p bindings": (tables.binding_cases, 2500),
    "plans in TOML": (tables.plan_cases, 1500),
    "pictures": (pictures.picture_cases, 3000),
    "images.csv, images.npy": (pictures.list_cases, 1000),
    "importers' archives": (pictures.importer_cases, 1500),
    "models": (models.model_cases, 1500),
    "checkpoints, trained on": (models.checkpoint_cases, 800),
    "metrics.jsonl": (models.metrics_cases, 400),
    "packed pixels": (models.pack_cases, 800),
    "a run's JSON, CSV and .gin": (folders.report_cases, 600),
    "importers' notes": (folders.note_cases, 400),
}


def inputs(place: Path, seed: int, many: int) -> list[Tally]:
    """Mutated inputs of every kind, so many in all."""
    total = sum(count for _, count in INPUTS.values())
    shares = {name: math.ceil(many * count / total) for name, (_, count) in INPUTS.items()}
    return mutated({name: make for name, (make, _) in INPUTS.items()}, place, seed, shares)


# part: (what does it, how many cases, how many in the short form; 0 leaves it out)
PARTS: Mapping[str, tuple[Callable[[Path, int, int], list[Tally]], int, int]] = {
    "inputs": (inputs, 20_000, 280),
    "hostile": (hostile.hostile, 1, 1),
    "kills": (stopped.kills, 104, 1),
    "stops": (stopped.stops, 78, 1),
    "disks": (disks.disks, 24, 0),
    "together": (together.together, 6, 0),
    "memory": (together.memory, 50, 0),
}


def main() -> int:
    """1 where anything did not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of cases (1.0)")
    parser.add_argument("--short", action="store_true", help="a few of each, in seconds")
    given = parser.parse_args()
    unknown = set(given.parts) - PARTS.keys()
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    keep_warm()
    faults = 0
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        for name in given.parts or PARTS:
            work, whole, short = PARTS[name]
            many = short if given.short else max(1, round(whole * given.scale))
            if not many:
                continue
            place, began = Path(scratch) / name, time.monotonic()
            place.mkdir()
            for tally in work(place, given.seed, many):
                print(tally.line(), flush=True)
                faults += len(tally.faults)
            print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    print(f"{faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
