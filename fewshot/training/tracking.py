"""What training reports while it runs: metrics.jsonl, and TensorBoard made from the same rows."""

import json
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.experiment.artifacts import ExperimentFolder, json_ready
from fewshot.experiment.files import writing

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_COORDINATES = ("split", "epoch", "step", "seconds")


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


class MetricsLog:
    """Appends one JSON object a line to the folder's metrics.jsonl and the numbers to TensorBoard.

    Each row has "split", "epoch" (from 1), "step" (optimiser steps so far), "seconds" (of training
    so far, over all resumed parts) and the figures.
    """

    def __init__(self, folder: ExperimentFolder) -> None:
        self._folder = folder
        self._writer: SummaryWriter | None = None

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
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")
        self._emit(row)

    def rows(self) -> list[dict[str, Any]]:
        """Every row so far."""
        if not self._folder.metrics.is_file():
            return []
        with self._folder.metrics.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def position(self) -> int:
        """How many bytes of metrics.jsonl are safely on disk, for `cut_back`."""
        if not self._folder.metrics.is_file():
            return 0
        with self._folder.metrics.open("rb+") as file:
            os.fsync(file.fileno())
            return file.seek(0, os.SEEK_END)

    def cut_back(self, position: int) -> None:
        """Drop the rows written after `position` and make TensorBoard anew from those left."""
        if not self._folder.writes:
            return
        self.close()
        if self._folder.metrics.is_file():
            os.truncate(self._folder.metrics, min(position, self._folder.metrics.stat().st_size))
        shutil.rmtree(self._folder.tensorboard, ignore_errors=True)
        for row in self.rows():
            self._emit(row)

    def add_image(self, tag: str, path: Path, step: int = 0) -> None:
        """Show a picture file in TensorBoard."""
        if not self._folder.writes:
            return
        import numpy as np
        from PIL import Image

        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._tensorboard().add_image(tag, pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Flush TensorBoard; a later row opens it again."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _emit(self, row: Mapping[str, Any]) -> None:
        figures = {name: value for name, value in row.items() if name not in _COORDINATES}
        for name, value in scalars(figures).items():
            if math.isfinite(value):
                self._tensorboard().add_scalar(f"{row['split']}/{name}", value, row["step"])

    def _tensorboard(self) -> "SummaryWriter":
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # takes a second: only when used

            self._writer = SummaryWriter(str(self._folder.tensorboard))
        return self._writer
