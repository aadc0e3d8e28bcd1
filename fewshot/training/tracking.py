"""What training reports while it runs: metrics.jsonl, and TensorBoard made from the same rows."""

import json
import logging
import math
import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fewshot.experiment.artifacts import ExperimentFolder, json_ready
from fewshot.experiment.files import writing
from fewshot.progress import ProgressBar
from fewshot.training.curves import Curves
from fewshot.training.state import Progress

logger = logging.getLogger("fewshot")

_COORDINATES = {"split": str, "epoch": int, "step": int, "seconds": float}


def scalars(figures: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers among nested figures, named "outer/inner"; a sampled one counts as its mean."""
    found: dict[str, float] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            if "mean" in value:
                found[prefix + name] = float(value["mean"])
            else:
                found |= scalars(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            found[prefix + name] = float(value)
    return found


def epoch_line(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """An epoch on one line: "train  loss 0.51 top1 0.81  validation  top1 0.79".

    Of the validation's many figures only losses and top-1 accuracies are shown.
    """
    parts = []
    for split, named in figures.items():
        numbers = [
            f"{name} {value:.4g}"
            for name, value in scalars(named).items()
            if split == "train" or ("/" not in name and name.endswith(("loss", "top1")))
        ]
        parts.append(f"{split}  {' '.join(numbers)}")
    return "  ".join(parts)


def epoch_bar(progress: Progress, epochs: int, steps: int, shown: bool) -> ProgressBar:
    """Of an epoch's steps; shown: whether this process is the one to speak."""
    return ProgressBar(f"epoch {progress.epoch + 1}/{epochs}", steps, "steps", progress.step, shown)


class MetricsLog:
    """Appends one JSON object a line to the folder's metrics.jsonl and the numbers to TensorBoard.

    Each row has "split", "epoch" (from 1), "step" (optimiser steps so far), "seconds" (of training
    so far, over all resumed parts) and the figures.
    """

    def __init__(self, folder: ExperimentFolder) -> None:
        self._folder = folder
        self._curves = Curves(folder.tensorboard)

    def record(
        self, split: str, epoch: int, step: int, seconds: float, figures: Mapping[str, Any]
    ) -> None:
        """Append one row and hand it to the operating system at once.

        Raises UserError when the disk is full.
        """
        if not self._folder.writes:
            return
        row = {"split": split, "epoch": epoch, "step": step, "seconds": round(seconds, 3)}
        row |= json_ready(figures)
        path = self._folder.metrics
        self._folder.check_there()
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")
        self._emit(row)

    def record_epoch(
        self, figures: Mapping[str, Mapping[str, Any]], progress: Progress, epochs: int
    ) -> None:
        """The rows of an epoch that is being ended, and a line of the log that sums them up."""
        number, seconds = progress.epoch + 1, progress.seconds
        for split, named in figures.items():
            self.record(split, number, progress.total_steps, seconds, named)
        logger.info("epoch %d/%d  %s  %.0f s", number, epochs, epoch_line(figures), seconds)

    def rows(self) -> list[dict[str, Any]]:
        """Every row so far but for those that cannot be read."""
        if not self._folder.metrics.is_file():
            return []
        lines = self._folder.metrics.read_text(encoding="utf-8", errors="replace").split("\n")
        return [row for row in map(_row, lines) if row is not None]

    def position(self) -> tuple[int, int]:
        """How many bytes of metrics.jsonl are safely on disk and their CRC-32, for `cut_back`."""
        self._folder.check_there()
        if not self._folder.metrics.is_file():
            return 0, 0
        with self._folder.metrics.open("rb+") as file:
            os.fsync(file.fileno())
            content = file.read()
        return len(content), zlib.crc32(content)

    def cut_back(self, position: int, crc: int = 0) -> None:
        """Drop the rows written after `position` and make TensorBoard anew from those left.

        Lines that cannot be read are dropped, and that is said; so it is where those that can are
        not what was written, by `crc` (0: not known).
        """
        if not self._folder.writes:
            return
        self.close()
        path = self._folder.metrics
        found = path.read_bytes() if path.is_file() else b""
        lines = found[:position].decode("utf-8", errors="replace").splitlines(keepends=True)
        kept = [line for line in lines if _row(line) is not None and line.endswith("\n")]
        missing = len(found) < position
        if missing or len(kept) < len(lines):
            logger.warning(
                "%s is damaged: %d of %d lines cannot be read%s; they are left out",
                path,
                len(lines) - len(kept),
                len(lines),
                " and the end is missing" if missing else "",
            )
        elif crc and zlib.crc32(found[:position]) != crc:
            logger.warning(
                "%s was changed since it was written: curves made of it may show other figures "
                "than the run had",
                path,
            )
        if path.is_file():
            self._folder.write_text(path.name, "".join(kept))
        shutil.rmtree(self._folder.tensorboard, ignore_errors=True)
        for row in self.rows():
            self._emit(row)

    def add_image(self, tag: str, path: Path, step: int = 0) -> None:
        """Show a picture file in TensorBoard."""
        if not self._folder.writes:
            return
        import numpy as np
        from PIL import Image

        with Image.open(path, formats=("PNG",)) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._curves.add_image(tag, pixels, step)

    def close(self) -> None:
        """Flush TensorBoard; a later row opens it again."""
        self._curves.close()

    def _emit(self, row: Mapping[str, Any]) -> None:
        figures = {name: value for name, value in row.items() if name not in _COORDINATES}
        for name, value in scalars(figures).items():
            if math.isfinite(value):
                self._curves.add_scalar(f"{row['split']}/{name}", value, row["step"])


def _row(line: str) -> dict[str, Any] | None:
    """The row that a line holds; None where it holds none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    known = all(isinstance(row.get(name), kind | int) for name, kind in _COORDINATES.items())
    return row if known and isinstance(row["split"], str) else None
