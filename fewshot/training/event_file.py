"""TensorBoard's event file, written at once: torch's own writer does so in a thread.

What fails in a thread is told by a traceback, and too late.
"""

import itertools
import os
import socket
import time
from pathlib import Path

from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import summary

_NUMBERS = itertools.count()  # so that two files of one second and process keep apart


class EventFile:
    """A new event file in the folder, which is made; every write may raise OSError."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        place = f"{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.{next(_NUMBERS)}"
        self._file = (folder / f"events.out.tfevents.{place}").open("xb", buffering=0)
        self._records = RecordWriter(self._file)
        self._write(Event(file_version="brain.Event:2"))

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """One point of a curve."""
        self._write(Event(summary=summary.scalar(tag, value), step=step))

    def add_image(self, tag: str, pixels: NDArray, step: int) -> None:  # type: ignore[type-arg]
        """A picture uint8 [H, W, 3]."""
        shown: Summary = summary.image(tag, pixels, dataformats="HWC")
        self._write(Event(summary=shown, step=step))

    def close(self) -> None:
        """Nothing is written after it."""
        self._file.close()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())
