"""What a gallery's files hold is what was written: a digest of each, compared when it is opened.

A core compares a gigabyte or more a second. $FEWSHOT_UNCOMPARED=1 leaves out files above 64 MB, for
indexes of many gigabytes, of which a query reads a part only.
"""

import hashlib
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fewshot.processes import usable_processors
from fewshot.progress import ProgressBar

logger = logging.getLogger("fewshot")

UNCOMPARED = "FEWSHOT_UNCOMPARED"
_PIECE = 1 << 26  # bytes that a thread reads at a time


def digests_of(folder: Path, names: list[str]) -> dict[str, str]:
    """{name: a hex digest of the file's bytes}."""
    return {name: _digest(folder / name) for name in names}


def damaged(folder: Path, digests: Mapping[str, str]) -> str | None:
    """The first file whose bytes are not those of its digest; None where all are."""
    for name, digest in digests.items():
        path = folder / name
        if path.stat().st_size > _PIECE and os.environ.get(UNCOMPARED) == "1":
            logger.info("%s is not compared with its digest (%s=1)", path, UNCOMPARED)
        elif _digest(path) != digest:
            return name
    return None


def _digest(path: Path) -> str:
    """Of the digests of its pieces, which the cores share."""
    starts = range(0, path.stat().st_size, _PIECE)
    whole = hashlib.sha256()
    with (
        ThreadPoolExecutor(min(8, usable_processors())) as executor,
        ProgressBar(f"comparing {path.name}", len(starts), "parts") as bar,
    ):
        for piece in executor.map(lambda start: _of_piece(path, start), starts):
            whole.update(piece)
            bar.update(1)
    return whole.hexdigest()


def _of_piece(path: Path, start: int) -> bytes:
    found = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        left = _PIECE
        while left and (content := file.read(min(left, 1 << 20))):
            found.update(content)
            left -= len(content)
    return found.digest()
