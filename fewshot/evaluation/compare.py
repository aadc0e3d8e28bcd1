"""Two models on the same episodes: python -m fewshot compare A B."""

import logging
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fewshot.errors import UserError
from fewshot.evaluation.intervals import over_episodes

logger = logging.getLogger("fewshot")


def compare(first: Path, second: Path) -> pd.DataFrame:
    """episodes, A, B, difference, ci95, n: one row for each head and setting that both have.

    first, second: experiment folders, or their episodes.npz. The interval is of the episode by
    episode difference, narrower than that of two independent means. Raises UserError when a file
    cannot be read, nothing is in both, or equal settings were drawn differently.
    """
    a, b = _read(first), _read(second)
    shared = [name for name in a if name in b]
    if not shared:
        raise UserError(
            f"nothing to compare: {first} has {'; '.join(a)}, but {second} has {'; '.join(b)}. "
            "Evaluate both with the same heads, n_way and n_shot."
        )
    rows = []
    for name in shared:
        (digest_a, values_a), (digest_b, values_b) = a[name], b[name]
        if len(values_a) != len(values_b):
            raise UserError(
                f"'{name}' was evaluated on {len(values_a)} episodes in {first} and on "
                f"{len(values_b)} in {second}: bind the same NovelEpisodes.n_episodes in both."
            )
        if digest_a != digest_b:
            raise UserError(
                f"'{name}' was evaluated on different episodes in {first} and {second}: use the "
                "same CSV of novel classes, image size, n_query and seed for both. All that being "
                "equal, one of the training CSVs has exact twins of novel images, which were left "
                "out there: evaluate both with the same FashionDataset.csv_file."
            )
        difference = over_episodes(values_a - values_b)
        rows.append(
            {
                "episodes": name,
                "A": float(values_a.mean()),
                "B": float(values_b.mean()),
                "difference": difference["mean"],
                "ci95": difference["ci95"],
                "n": difference["n"],
            }
        )
    return pd.DataFrame(rows)


def shared_episodes(paths: Sequence[Path]) -> pd.DataFrame:
    """runs ("A, B"), episodes, first, second, difference (second less first), ci95, n: what each
    run has in common with the first; without rows where there is nothing, or nothing that pairs.
    """
    tables = []
    for letter, path in zip(ascii_uppercase[1:], paths[1:], strict=False):
        if not all((one / "episodes.npz").is_file() for one in (paths[0], path)):
            continue
        try:
            found = compare(paths[0], path)
        except UserError as error:
            logger.warning("episodes are not compared: %s", error)
            continue
        found = found.rename(columns={"A": "first", "B": "second"})
        found["difference"] = -found["difference"]
        found.insert(0, "runs", f"A, {letter}")
        tables.append(found)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _read(path: Path) -> dict[str, tuple[str, NDArray[np.float64]]]:
    """{name: (digest of the episodes, accuracies)}."""
    file = path / "episodes.npz" if path.is_dir() else path
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            parts = stored["names"].tolist(), stored["digests"].tolist(), stored["accuracies"]
            return {name: (digest, values) for name, digest, values in zip(*parts, strict=True)}
    except FileNotFoundError as error:
        raise UserError(
            f"{file} does not exist: name the folder of an experiment that ran FewShotEvaluation."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{file} is not an episodes.npz written by FewShotEvaluation.") from error


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["compare", *sys.argv[1:]]))
