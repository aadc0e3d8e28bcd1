"""What the command line writes: answers to stdout; the log and messages to stderr."""

import logging
import os
import signal
import sys
from collections.abc import Callable

from fewshot.errors import UserError


class _Formatter(logging.Formatter):
    """Information as it is; anything graver under its level's name."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"


def show_log() -> None:
    """Send the project's log to stderr, one line a message."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logger = logging.getLogger("fewshot")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def say(text: str) -> None:
    """Write one message to stderr."""
    print(text, file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Write an answer to stdout, whose reader (such as head) may have gone before its end."""
    try:
        print(text, flush=True)
    except BrokenPipeError:  # or Python would complain again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def message(error: UserError) -> str:
    """The error's own text, without the calls that gin adds to whatever passes through it."""
    return str(error).partition("\n  In call to configurable ")[0]


def exit_code(work: Callable[[], None]) -> int:
    """Of work done to its end: 0 done, 2 the input is wrong, 130 interrupted (and resumable)."""
    for asked_to_stop in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(asked_to_stop) != signal.SIG_IGN:  # as nohup sets it
            signal.signal(asked_to_stop, signal.default_int_handler)
    show_log()
    try:
        work()
    except UserError as error:
        say(f"error: {message(error)}")
        return 2
    except KeyboardInterrupt as interrupt:
        say(f"interrupted; {interrupt}" if interrupt.args else "interrupted")
        return 130
    return 0
