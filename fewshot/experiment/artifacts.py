"""The experiment folder: where one run's files live, each of them written whole or not at all."""

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fewshot.errors import UserError
from fewshot.experiment.files import inside, part_of, write_atomically
from fewshot.experiment.lock import NAME, FolderLock
from fewshot.spreadsheet import csv_text


def json_ready(value: Any) -> Any:
    """The value in JSON's own types: arrays as lists, paths as text, nan and infinities as null."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_ready(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return json_ready(value.tolist())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class ExperimentFolder:
    """The files of one run, under `path`.

    writes: False on the ranks that only compute; everything they write is dropped.
    """

    def __init__(self, path: str | Path, writes: bool = True) -> None:
        self.path = Path(path)
        self.writes = writes
        self._lock: FolderLock | None = None

    def written_by(self, main_process: bool) -> "ExperimentFolder":
        """The folder itself, which processes beside the main one leave as it is."""
        self.writes = self.writes and main_process
        return self

    @classmethod
    def open(cls, path: str | Path) -> "ExperimentFolder":
        """The folder of a run that was started; raises UserError when there is none."""
        folder = cls(path)
        if not folder.path.is_dir():
            raise UserError(
                f"--resume {path}: there is no such folder; pass an experiment's folder."
            )
        if not folder.config.is_file():
            raise UserError(
                f"--resume {path}: the folder has no config.gin, so it is not an experiment's; "
                "pass the folder that holds config.gin."
            )
        return folder

    def check_free(self) -> None:
        """Raise UserError when the folder exists, or can be seen not to be creatable.

        One that a run was stopped in before its config was written is as good as none.
        """
        if self.path.exists() and not self._is_unused():
            raise UserError(
                f"experiment folder {self.path} already exists: choose another --name, or go on "
                f"with it: --resume {self.path}"
            )
        parent = next(p for p in self.path.absolute().parents if p.exists())
        if not parent.is_dir():
            raise UserError(f"{parent} is not a folder: choose another --output-dir.")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise UserError(f"{parent} may not be written: choose another --output-dir.")

    def _is_unused(self) -> bool:
        """Whether it holds nothing but what is there before its config."""
        before = {NAME, part_of(self.config).name}
        return self.path.is_dir() and {path.name for path in self.path.iterdir()} <= before

    def create(self) -> None:
        """Make the folder and hold it.

        Raises UserError as check_free does, when the system refuses, and when another process has
        just made it.
        """
        if not self.writes:
            return
        self.check_free()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"experiment folder {self.path} cannot be created ({error.strerror}): choose "
                "another --output-dir."
            ) from error
        self.lock()
        self.check_free()

    def lock(self) -> None:
        """Hold the folder for this process, until it ends; raises UserError where another does.

        What a killed process left half-written goes.
        """
        if self.writes and self._lock is None:
            self._lock = FolderLock(self.path)
            for part in self.path.glob(".*.part*"):
                part.unlink(missing_ok=True)

    def release(self) -> None:
        """Let other processes in."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def check_there(self) -> None:
        """Raise UserError when the folder was removed or renamed since the run began."""
        there = self.path.is_dir() if self._lock is None else self._lock.is_here()
        if self.writes and not there:
            raise UserError(
                f"experiment folder {self.path} was removed or renamed while the run wrote to it: "
                "put it back and go on with --resume, or start anew."
            )

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.path.name

    @property
    def config(self) -> Path:
        """Everything that was bound; running it again repeats the experiment."""
        return self.path / "config.gin"

    @property
    def operative(self) -> Path:
        """Gin's operative configuration, written after the run."""
        return self.path / "operative.gin"

    @property
    def environment(self) -> Path:
        """Versions, hardware, command line."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """One JSON object a logged epoch and split."""
        return self.path / "metrics.jsonl"

    @property
    def results(self) -> Path:
        """The final figures."""
        return self.path / "results.json"

    @property
    def model(self) -> Path:
        """The chosen model."""
        return self.path / "model.mdl"

    @property
    def last_checkpoint(self) -> Path:
        """Everything needed to go on."""
        return self.path / "last.ckpt"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.path / "tensorboard"

    def write_with(self, name: str, writer: Callable[[Path], object]) -> None:
        """Write the named file whole, by a function that writes at the path it is given.

        Raises UserError when the disk is full, for a name that leads out of the folder, and as
        check_there does.
        """
        if self.writes:
            self.check_there()
            write_atomically(inside(self.path, name), writer)

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write the named file whole."""
        self.write_with(name, lambda path: path.write_bytes(content))

    def write_text(self, name: str, text: str) -> None:
        """Write the named file whole, in UTF-8."""
        self.write_bytes(name, text.encode())

    def write_json(self, name: str, value: Any) -> None:
        """Write the named file whole; nan and infinities become null."""
        self.write_text(name, json.dumps(json_ready(value), indent=2, allow_nan=False) + "\n")

    def write_csv(self, name: str, table: pd.DataFrame) -> None:
        """Write the table whole, as `spreadsheet` has it."""
        self.write_text(name, csv_text(table))
