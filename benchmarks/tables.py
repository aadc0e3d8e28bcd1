"""A CSV of a million rows: splits made of it, a data set opened on it, memory taken.

    python -m benchmarks.tables [--rows 1000000]

Times the two commands as a user calls them, each a process of its own, on a quarter of the rows and
on all, so that what grows faster than the table shows. Images are one array of 2x2 pixels.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.hardware import machine

OPEN = """
import resource, sys, time
from fewshot.data.dataset import FashionDataset
place = sys.argv[1]
FashionDataset(place + "/few.csv", place, image_size=(2, 2), channels=1, cache_dir=place + "/cache")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started, before_cpu = time.perf_counter(), time.process_time()
data = FashionDataset(place + "/styles.csv", place, image_size=(2, 2), channels=1,
                      cache_dir=place + "/cache")
taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(time.perf_counter() - started, time.process_time() - before_cpu, taken / 1e6)
"""


def made(place: Path, rows: int) -> None:
    """styles.csv, few.csv and the images."""
    rng = np.random.default_rng(0)
    kinds = np.array([f"type {number}" for number in range(143)])
    ids = [str(number) for number in range(rows)]
    table = pd.DataFrame(
        {
            "id": ids,
            "articleType": kinds[np.minimum(rng.geometric(0.03, rows) - 1, 142)],
            "year": rng.integers(2011, 2019, rows),
            "productDisplayName": "a name, quoted as names are",
        }
    )
    table.to_csv(place / "styles.csv", index=False)
    table.head(10).to_csv(place / "few.csv", index=False)
    np.save(place / "images.npy", rng.integers(0, 256, (rows, 2, 2), dtype=np.uint8))
    (place / "images_ids.txt").write_text("".join(f"{name}\n" for name in ids))


def timed(*words: str) -> tuple[str, str, float]:
    """(seconds, by the clock and of the processor; standard output, most memory in GB) of one."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    took = f"{time.perf_counter() - started:.1f} s ({spent:.1f} of the processor)"
    return took, done.stdout, after.ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    for rows in (given.rows // 4, given.rows):
        with tempfile.TemporaryDirectory() as temporary:
            place = Path(temporary)
            made(place, rows)
            splits = (sys.executable, "-m", "fewshot.data.splits")
            took, _, most = timed(*splits, str(place / "styles.csv"), str(place / "out"))
            print(f"{rows:,} rows: create_splits {took} (at most 15), {most:.2f} GB")
            timed(sys.executable, "-c", OPEN, str(place))  # packs
            _, said, _ = timed(sys.executable, "-c", OPEN, str(place))
            took_opening, spent, more = map(float, said.split()[-3:])
            print(
                f"{rows:,} rows: opened in {took_opening:.1f} s ({spent:.1f} of the processor; at "
                f"most 5), {more:.2f} GB more (at most 1)"
            )
    print(machine())


if __name__ == "__main__":
    main()
