"""Packing photos against one Pillow process that decodes the same files, in one run.

    python -m benchmarks.decoding FOLDER [--images 10000] [--rounds 2]

FOLDER: holds images/<id>.jpg. One side opens a FashionDataset whose pack is not there yet (64x48,
RGB, stretched): files found, decoded by as many processes as cores, packed, digests taken. The
other reads, decodes and resizes the files one after the other and keeps nothing. Then the pack is
opened again.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.hardware import in_turn, report
from fewshot.data.dataset import FashionDataset

SIZE = (64, 48)


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes by the clock on the wall: work side by side is what is measured."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    names = sorted(path.name for path in (given.folder / "images").iterdir())[: given.images]
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        table = pd.DataFrame({"id": [Path(name).stem for name in names], "articleType": "any"})
        table.to_csv(place / "all.csv", index=False)

        def opened() -> None:
            FashionDataset(
                place / "all.csv",
                given.folder,
                image_size=SIZE,
                channels=3,
                resize="stretch",
                cache_dir=place / "cache",
            )

        def ours() -> float:
            shutil.rmtree(place / "cache", ignore_errors=True)
            return seconds(opened)

        def pillow() -> None:
            for name in names:
                with Image.open(given.folder / "images" / name) as image:
                    np.asarray(image.convert("RGB").resize(SIZE[::-1], Image.Resampling.BILINEAR))

        pillow()  # the files are in the operating system's memory for both
        rounds = in_turn([ours, lambda: seconds(pillow)], given.rounds)
        again = min(seconds(opened) for _ in range(3))
    for own, one in rounds:
        print(f"{len(names)} images: packed in {own:.1f} s, one Pillow process {one:.1f} s")
    print(f"opened again in {again:.2f} s (at most 0.5 for 44,441)")
    report("packing against one Pillow process", [one / own for own, one in rounds], 1.8)


if __name__ == "__main__":
    main()
