"""The program in a forked process: what it imports is there already, so that a run takes a second.

The parent must not have trained anything itself: torch's threads do not survive a fork.
"""

import contextlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

HANGS = 300  # seconds, of runs that take a few on a machine at rest


def start(work: Callable[[], int], log: Path) -> int:
    """Begin the work in a child, what it prints in the file; its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _be(work, log)
    return child


def _be(work: Callable[[], int], log: Path) -> NoReturn:
    """What the child does: the work, and its exit code."""
    code = 1
    try:
        os.setpgid(0, 0)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = sys.__stderr__ = open(2, "w", closefd=False)  # noqa: SIM115
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = work()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def wait(child: int, seconds: float = HANGS) -> int:
    """The exit code; minus the signal's number for a killed one. A child that hangs is killed."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return HUNG


HUNG = 1000


def outcome(work: Callable[[], int], log: Path, seconds: float = HANGS) -> int:
    """The exit code of the work done in a child."""
    return wait(start(work, log), seconds)


def at_event(number: int, below: Path, act: Callable[[str, Any], None]) -> None:
    """From now on, call act(event, arguments) at that use of the files below a folder, from 0.

    It is also called at every later one. act may raise, or kill the process.
    """
    seen = 0
    names = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")
    prefix, busy = str(below), False

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen, busy
        if event not in names or busy or not str(arguments[0]).startswith(prefix):
            return
        seen += 1
        if seen > number:
            busy = True
            try:
                act(event, arguments)
            finally:
                busy = False

    sys.addaudithook(hook)


def limit_memory(more: int) -> None:
    """Allow this process so many bytes more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
