"""Files that are written whole or not at all, and errors that name what cannot be written."""

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from fewshot.containment import Roots
from fewshot.errors import UserError

_CANNOT_WRITE = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),  # EFBIG: beyond the limit of `ulimit -f`
}
_STREAMS = re.compile(r"/dev/fd|/proc/[^/]+(/task/[^/]+)?/fd")
_LINKS = 40  # that lead to one another; Linux follows as many
_PROBE = 1 << 20  # bytes; what a disk that was full a moment ago does not take


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the OSErrors of a full disk and of a folder that may not be written into UserErrors.

    So it does where a library wraps them, and where the folder has gone in the meantime.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        cause = _cause(error)
        if isinstance(cause, KeyboardInterrupt):
            raise cause from error
        if cause is None or not (cause.errno in _CANNOT_WRITE or _has_gone(cause, path)):
            raise
        raise UserError(
            f"{path} cannot be written ({cause.strerror}): free some space, or choose another "
            "folder."
        ) from error


def part_of(path: Path) -> Path:
    """The hidden file beside it that is written before it takes its place."""
    return path.with_name(f".{path.stem}.part{path.suffix}")


def inside(folder: Path, name: str) -> Path:
    """The path of a file in a folder; raises UserError for a name that leads out of it."""
    path = Roots(folder).path(name)
    if path is None:
        raise UserError(
            f"'{name}' is no name of a file inside {folder}: a name may have no '..' and no '/' at "
            "its start. Choose another prefix or file name in the evaluator."
        )
    return path


def _cause(error: BaseException) -> OSError | KeyboardInterrupt | None:
    """What stopped the write: torch wraps it in a RuntimeError about the zip file it left."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError | KeyboardInterrupt):
        found = found.__cause__ or found.__context__
    return found


def _has_gone(error: OSError, path: Path) -> bool:
    return error.errno in (errno.ENOENT, errno.ENOTDIR) and not path.parent.is_dir()


def write_atomically(path: Path, writer: Callable[[Path], object]) -> None:
    """Let `writer` fill a hidden file beside `path`, flush it to disk, then put it in place.

    The hidden file keeps the suffix, from which some writers infer the format, and has a fixed
    name, so that one left behind by a killed process is overwritten by the next write. Raises
    UserError as `writing` does, and, before `writer` is called, as `refuse_what_is_no_file` does:
    whoever computes something first calls that before.
    """
    refuse_what_is_no_file(path)
    with writing(path):
        part = part_of(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                writer(part)
            except (OSError, RuntimeError) as error:
                if getattr(error, "errno", None) is None:
                    _probe(part)  # files of torch's and numpy's own do not say what is wrong
                raise
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def refuse_what_is_no_file(path: Path, instead: str = "") -> None:
    """Raises UserError where a folder, a device, a pipe or an open stream is in a file's place.

    A folder cannot be replaced; a device, or the link /dev/stdout, can, by root, and then is one no
    more. instead: ends the message with what else can be done.
    """
    with writing(path):
        if path.is_dir():
            raise UserError(f"'{path}' is a folder: name a file to write, such as {path / 'NAME'}.")
        stream = _is_stream(path)
        if stream or (path.exists() and not path.is_file()):
            what = "a stream that is open already" if stream else "a device or a pipe"
            raise UserError(f"'{path}' is {what}, not a file: name a file to write{instead}.")


def _is_stream(path: Path) -> bool:
    """Whether it, or a link that it is, stands among the open files of a process.

    Such a link says that it is the file which the stream was opened on.
    """
    for _ in range(_LINKS):
        folder = Path(os.path.realpath(path.parent))  # which a link to itself does not upset
        if _STREAMS.fullmatch(str(folder)):
            return True
        if not path.is_symlink():
            return False
        path = folder / path.readlink()
    return False


def _probe(part: Path) -> None:
    """Raise the OSError that a library kept to itself."""
    with part.open("ab") as file:
        file.write(bytes(_PROBE))
        file.flush()
        os.fsync(file.fileno())
