"""One process at a time in a folder: a lock that the system drops with the process."""

import contextlib
import fcntl
import os
from pathlib import Path

from fewshot.errors import UserError

NAME = ".lock"


class InUseError(UserError):
    """Another process holds it."""


class FolderLock:
    """Holds the folder for this process until it ends or `release` is called.

    name: of the lock's file, of which each is held for itself. Raises InUseError at once where
    another process holds it, UserError where it cannot be written. Where the file system has no
    locks, nothing is held.
    """

    def __init__(self, folder: Path, name: str = NAME) -> None:
        self._path = folder / name
        while True:
            self._file = self._opened(folder)
            self._take(folder)
            if self.is_here():
                return
            os.close(self._file)  # another process has just let go, and removed what was opened

    def _opened(self, folder: Path) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise UserError(
                f"experiment folder {folder} cannot be written ({error.strerror}): choose another "
                "--output-dir."
            ) from error

    def _take(self, folder: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise InUseError(
                f"experiment folder {folder} is in use: another process runs or resumes it. Wait "
                "for its end, or stop it first."
            ) from None
        except OSError:  # some network file systems
            pass

    def is_here(self) -> bool:
        """Whether the folder that was locked is still the one at its path."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file))
        except OSError:
            return False

    def release(self) -> None:
        """Let others in."""
        if self.is_here():
            with contextlib.suppress(OSError):
                self._path.unlink()
        os.close(self._file)


def is_held(folder: Path) -> bool:
    """Whether some process holds the folder; False where there is none, or that is not known."""
    try:
        file = os.open(folder / NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(file)
    return False
