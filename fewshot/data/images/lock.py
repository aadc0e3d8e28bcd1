"""One writer at a time in a folder that processes share."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fewshot.errors import UserError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger("fewshot")


@contextmanager
def locked(directory: Path, wait: bool = True) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process at the latest.

    wait: else BlockingIOError is raised where another process holds it. Raises UserError where the
    system has no such locks.
    """
    if fcntl is None:
        raise UserError(
            "packed images need file locks as Linux and macOS have them: on Windows, run this in "
            "the Windows Subsystem for Linux."
        )
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise
            logger.info("waiting for another process that packs into %s", directory)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file gives the lock back, as does the end of a killed process
