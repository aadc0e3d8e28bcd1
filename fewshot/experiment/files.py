"""Files that are written whole or not at all, and errors that name what cannot be written."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from fewshot.errors import UserError

_CANNOT_WRITE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the OSErrors of a full disk and of a folder that may not be written into UserErrors."""
    try:
        yield
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        raise UserError(
            f"{path} cannot be written ({error.strerror}): free some space or choose another "
            "--output-dir."
        ) from error


def part_of(path: Path) -> Path:
    """The hidden file beside it that is written before it takes its place."""
    return path.with_name(f".{path.stem}.part{path.suffix}")


def inside(folder: Path, name: str) -> Path:
    """The path of a file in a folder; raises UserError for a name that leads out of it."""
    path = folder / name
    if not name or not path.resolve().is_relative_to(folder.resolve()) or path == folder:
        raise UserError(
            f"'{name}' is no name of a file inside {folder}: a name may have no '..' and no '/' at "
            "its start. Choose another prefix or file name in the evaluator."
        )
    return path


def write_atomically(path: Path, writer: Callable[[Path], object]) -> None:
    """Let `writer` fill a hidden file beside `path`, flush it to disk, then put it in place.

    The hidden file keeps the suffix, from which some writers infer the format, and has a fixed
    name, so that one left behind by a killed process is overwritten by the next write. Raises
    UserError as `writing` does.
    """
    part = part_of(path)
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            writer(part)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
