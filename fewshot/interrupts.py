"""Requests to stop, wherever they come."""

import _thread
import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

_AGAIN_AFTER = 0.05  # seconds


@contextlib.contextmanager
def no_interrupt_lost() -> Iterator[None]:
    """Inside, an interrupt that comes while an object is deleted is one again a moment later.

    Nothing can be raised there: Python prints such a KeyboardInterrupt, as ignored, and goes on.
    """
    before, waiting = sys.unraisablehook, list[threading.Timer]()

    def hook(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)
            return
        again = threading.Timer(_AGAIN_AFTER, _thread.interrupt_main)
        again.daemon = True
        again.start()
        waiting.append(again)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        for again in waiting:
            again.cancel()
