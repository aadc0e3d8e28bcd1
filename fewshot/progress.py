"""How far a long part is: a bar on a terminal, elsewhere a line of the log now and then."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import Any, Self, TextIO, TypeVar

from fewshot.wording import visible

logger = logging.getLogger("fewshot")

Part = TypeVar("Part")

_FIRST_AFTER = 10.0  # seconds before a log hears of a part at all
_LONGEST_PAUSE = 60.0  # seconds between two lines of a part; they double up to there
_BAR_AFTER = 0.5  # seconds before a part is worth a bar


class ProgressBar:
    """How far a part of `total` units is (None where that is not known); `update` moves it on.

    task: what is done, such as "embedding"; unit: of what, in the plural; done: units that were
    done before; shown: False follows in silence, as processes beside the first do. On a terminal it
    is a bar, gone when the part ends; elsewhere a line of the log after ten seconds, after twenty
    more, and then every minute, with the time left. A part that is over sooner shows nothing.
    """

    def __init__(
        self,
        task: str,
        total: int | None,
        unit: str = "images",
        done: int = 0,
        shown: bool = True,
        stream: TextIO | None = None,
    ) -> None:
        stream = sys.stderr if stream is None else stream
        self._task, self._total, self._unit = task, total, unit
        self._before = self._done = done
        self._shown = shown
        self._note = ""
        self._bar: Any = None
        self._began = time.monotonic()
        self._pause = _FIRST_AFTER
        self._next = self._began + self._pause
        if shown and stream is not None and stream.isatty():
            from tqdm import tqdm  # only where it is seen

            options: dict[str, Any] = {"initial": done, "unit": f" {unit}", "leave": False}
            self._bar = tqdm(
                desc=visible(task),
                total=total,
                file=stream,
                delay=_BAR_AFTER,
                dynamic_ncols=True,
                **options,
            )

    def update(self, units: int = 1) -> None:
        """So many more are done."""
        self._done += units
        if self._bar is not None:
            self._bar.update(units)
        elif self._shown and time.monotonic() >= self._next:
            self._tell()

    def note(self, text: str) -> None:
        """Put a word behind it, such as the loss."""
        self._note = text
        if self._bar is not None:
            self._bar.set_postfix_str(visible(text), refresh=False)

    def _tell(self) -> None:
        now = time.monotonic()
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self._next = now + self._pause
        logger.info("%s: %s", self._task, self._text(now - self._began))

    def _text(self, seconds: float) -> str:
        """Such as "1,200 of 6,000 images, about 40 s left, loss 0.31"."""
        parts = [f"{self._done:,} {self._unit}"]
        if self._total is not None:
            parts = [f"{self._done:,} of {self._total:,} {self._unit}"]
            fresh, left = self._done - self._before, self._total - self._done
            if fresh > 0 and left > 0:
                parts.append(f"about {duration(seconds / fresh * left)} left")
        return ", ".join([*parts, self._note] if self._note else parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def followed(
    parts: Iterable[Part], task: str, unit: str, total: int | None = None, shown: bool = True
) -> Iterator[Part]:
    """The parts, and how far their reader is, see ProgressBar; total: by default their number."""
    if total is None and isinstance(parts, Sized):
        total = len(parts)
    with ProgressBar(task, total, unit, shown=shown) as bar:
        for part in parts:
            yield part
            bar.update()


def duration(seconds: float) -> str:
    """In the two largest units, rounded: "40 s", "3 min", "2 h 10 min"."""
    if round(seconds) < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
