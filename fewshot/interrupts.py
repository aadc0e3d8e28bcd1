"""Requests to stop, wherever they come."""

import _thread
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from fewshot.errors import UserError

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
_AGAIN_AFTER = 0.05  # seconds


@contextlib.contextmanager
def no_interrupt_lost() -> Iterator[None]:
    """Inside, an interrupt that something else swallows is one all the same.

    While an object is deleted nothing can be raised: Python prints such a KeyboardInterrupt, as
    ignored, and goes on; a moment later it comes again. And what an interrupt has left half made
    may fail when it is closed, by an error that takes the interrupt's place.
    """
    before, over = sys.unraisablehook, threading.Event()

    def later(told: threading.Event) -> None:
        told.wait()  # until then it would come in the hook, and be lost
        if not over.wait(_AGAIN_AFTER):
            # what is started in the background of a script ignores SIGINT, and so would not hear it
            heeded = (stop for stop in STOPS if callable(signal.getsignal(stop)))
            _thread.interrupt_main(next(heeded, signal.SIGINT))

    def hook(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)
            return
        told = threading.Event()
        _thread.start_new_thread(later, (told,))  # the start of a Thread waits for it, maybe long
        told.set()

    sys.unraisablehook = hook
    try:
        yield
    except Exception as error:
        if is_interrupt(error):
            raise KeyboardInterrupt from error
        raise
    finally:
        sys.unraisablehook = before
        over.set()


@contextlib.contextmanager
def interrupts_later() -> Iterator[None]:
    """Inside, requests to stop wait until its end, one of each kind.

    A process that is forked inside heeds none, until it says which, see heed_the_parent_alone.
    Whatever another handler raises at its beginning or end, all is as before when it is left.
    """
    came: list[int] = []
    inside = True
    former: dict[int, Any] = {}

    def note(number: int, frame: Any) -> None:
        if inside:
            came.append(number)
        else:  # of who has kept it as the one before his
            former[number](number, frame)

    # read first, since blocking calls the handlers that are due: what they raise would hide it
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        # for what is forked; and noted since another thread, such as a BLAS's, may be sent them
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        if threading.current_thread() is threading.main_thread():
            for stop in STOPS:
                handler = signal.getsignal(stop)
                if callable(handler):
                    former[stop] = handler
                    signal.signal(stop, note)
        yield
    finally:
        # All twice: a call first runs the handlers that are due, and is not done if one raises.
        try:
            _set_all(former)
        finally:
            try:
                _set_all(former)
                inside = False
                for number in set(came) - signal.sigpending():
                    signal.raise_signal(number)  # waits as well, so that all come
            finally:
                try:
                    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _set_all(handlers: dict[int, Any]) -> None:
    """Set them all, even if one that is due meanwhile raises."""
    left = dict(handlers)
    try:
        while left:
            number = next(iter(left))
            signal.signal(number, left[number])
            del left[number]
    finally:
        if left:
            _set_all(left)


def heed_the_parent_alone() -> None:
    """Of a process forked while interrupts wait: end when its parent asks, and only then.

    What asks all processes of a terminal or a job to stop is for the parent, which sees to its own.
    """
    parent = os.getppid()

    def end() -> None:
        while (told := signal.sigwaitinfo(STOPS)).si_signo != signal.SIGTERM or (
            told.si_pid != parent
        ):
            pass
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()


def is_interrupt(error: BaseException | None) -> bool:
    """Whether it is one, or came of closing what one had left half made.

    What a user can mend, such as a disk without room for what is saved at an interrupt, is not.
    """
    if isinstance(error, UserError | OSError | MemoryError):
        return False
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
