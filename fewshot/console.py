"""What the command line writes: answers to stdout; the log and messages to stderr."""

import contextlib
import gc
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from fewshot.errors import UserError
from fewshot.interrupts import no_interrupt_lost
from fewshot.launcher import is_peer
from fewshot.machine_faults import machine_fault

# What steers a terminal, or turns its text about: names in files may hold them.
_STEERING = (
    *range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)  # fmt: skip
_ESCAPES = {number: ascii(chr(number))[1:-1] for number in _STEERING}


def harmless(text: str) -> str:
    r"""The text with every character that steers a terminal as its code, such as \x1b."""
    return text.translate(_ESCAPES)


class _Formatter(logging.Formatter):
    """Information as it is; anything graver under its level's name."""

    def format(self, record: logging.LogRecord) -> str:
        text = harmless(super().format(record))
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines above the bars that stand on a terminal, which would run into them."""

    def emit(self, record: logging.LogRecord) -> None:
        bars = sys.modules.get("tqdm")  # where there are any, it has been imported
        if bars is None:
            super().emit(record)
            return
        with bars.tqdm.external_write_mode(file=self.stream):
            super().emit(record)


class _Forgiving(io.FileIO):
    """A stream whose device may be full or gone: what it cannot write is lost, and nothing else."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


def steady_streams() -> None:
    """Make the three standard streams fit to be written to, whatever this process was given.

    A closed one leads nowhere; characters that a stream cannot encode are written as escapes;
    messages that stderr's device has no room for are lost.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # else the next file that is opened would take its number, and its text
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None or sys.stderr is sys.__stderr__:  # not one that a test put there
        encoding = getattr(sys.stderr, "encoding", None)
        raw = io.BufferedWriter(_Forgiving(2, "w", closefd=False))
        sys.stderr = io.TextIOWrapper(raw, encoding, line_buffering=True, write_through=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_log() -> None:
    """Send the project's log to stderr, one line a message; a second call changes no more.

    Of a process that runs beside another only errors are: the other says the same.
    """
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Formatter())
    logger = logging.getLogger("fewshot")
    for former in [h for h in logger.handlers if isinstance(h.formatter, _Formatter)]:
        logger.removeHandler(former)
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR if is_peer() else logging.INFO)
    logger.propagate = False


def say(text: str) -> None:
    """Write one message to stderr."""
    print(harmless(text), file=sys.stderr, flush=True)


def show(text: str) -> None:
    """Write an answer to stdout, whose reader (such as head) may have gone before its end.

    Raises UserError where its device has no room.
    """
    try:
        print(harmless(text), flush=True)
    except OSError as error:
        # or Python would complain again when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise UserError(
                f"the answer cannot be written to standard output: {error.strerror}. Send it "
                "elsewhere."
            ) from error


def message(error: UserError) -> str:
    """The error's own text, without the calls that gin adds to whatever passes through it."""
    return str(error).partition("\n  In call to configurable ")[0]


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Inside, no garbage is collected: among what is imported there is none, only time to lose."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def exit_code(work: Callable[[], int | None]) -> int:
    """Of work done to its end: 0 (or what it returns), 2 the input is wrong, 130 interrupted.

    A disk without room, a refused file of the user's and too little memory are told in one message,
    too; any other error is a fault of the program, and goes on with its traceback.
    """
    try:  # around the first lines, too: a request to stop may come at once
        for asked_to_stop in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            if signal.getsignal(asked_to_stop) != signal.SIG_IGN:  # as nohup sets it
                signal.signal(asked_to_stop, signal.default_int_handler)
        steady_streams()
        show_log()
        with no_interrupt_lost():
            return work() or 0
    except UserError as error:
        say(f"error: {message(error)}")
        return 2
    except KeyboardInterrupt as interrupt:
        # had it come in code made of a text, as dataclasses are, Python would remember and end by
        # a signal after all; new code makes it forget
        exec("")
        say(f"interrupted; {interrupt}" if interrupt.args else "interrupted")
        return 130
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        told = machine_fault(error)
        if told is None:
            raise
        say(f"error: {told}")
        return 2
