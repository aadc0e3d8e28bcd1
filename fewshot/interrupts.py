"""Requests to stop, wherever they come."""

import _thread
import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

from fewshot.errors import UserError

_AGAIN_AFTER = 0.05  # seconds


@contextlib.contextmanager
def no_interrupt_lost() -> Iterator[None]:
    """Inside, an interrupt that something else swallows is one all the same.

    While an object is deleted nothing can be raised: Python prints such a KeyboardInterrupt, as
    ignored, and goes on; a moment later it comes again. And what an interrupt has left half made
    may fail when it is closed, by an error that takes the interrupt's place.
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
    except Exception as error:
        if is_interrupt(error):
            raise KeyboardInterrupt from error
        raise
    finally:
        sys.unraisablehook = before
        for again in waiting:
            again.cancel()


def is_interrupt(error: BaseException | None) -> bool:
    """Whether it is one, or came of closing what one had left half made.

    What a user can mend, such as a disk without room for what is saved at an interrupt, is not.
    """
    if isinstance(error, UserError | OSError | MemoryError):
        return False
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
