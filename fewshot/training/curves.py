"""A folder's TensorBoard: it shows what metrics.jsonl holds, so that it may fail without harm."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from numpy.typing import NDArray

if TYPE_CHECKING:
    from fewshot.training.event_file import EventFile

logger = logging.getLogger("fewshot")


class Curves:
    """Opens an event file in the folder when something is added; what it cannot write is lost.

    That is said once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: EventFile | None = None
        self._said = False

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """One point of a curve."""
        with self._forgiving():
            self._opened().add_scalar(tag, value, step)

    def add_image(self, tag: str, pixels: NDArray, step: int) -> None:  # type: ignore[type-arg]
        """A picture uint8 [H, W, 3]."""
        with self._forgiving():
            self._opened().add_image(tag, pixels, step)

    def close(self) -> None:
        """What is added later opens another file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @contextlib.contextmanager
    def _forgiving(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._said:
                logger.warning(
                    "%s cannot be written (%s): TensorBoard lacks what follows, which "
                    "metrics.jsonl has",
                    self._folder,
                    error.strerror,
                )
            self._said = True

    def _opened(self) -> "EventFile":
        if self._file is None:
            from fewshot.training.event_file import EventFile  # takes a second: only when used

            self._file = EventFile(self._folder)
        return self._file
