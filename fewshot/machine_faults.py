"""Faults of the machine, told in one message: a full disk, a refused file, too little memory."""

import errno
import os
import sysconfig
from pathlib import Path

import fewshot

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OF_THE_DEVICE = (*_NO_ROOM, errno.EIO, errno.EROFS)  # a write to an open file names no file
_OWN = tuple(
    Path(place).resolve()
    for place in (fewshot.__path__[0], *map(sysconfig.get_path, ("stdlib", "purelib")))
)


def _is_outside(error: OSError) -> bool:
    """Whether it is of the user's files or devices: the program's own it must find by itself."""
    if isinstance(error.filename, str | bytes):
        place = Path(os.fsdecode(error.filename)).resolve()
        return not any(place.is_relative_to(own) for own in _OWN)
    return error.errno in _OF_THE_DEVICE


def machine_fault(error: BaseException) -> str | None:
    """What to tell of a fault of the machine rather than of the program; None for any other."""
    error = _original(error)
    text = str(error).partition("\n")[0]
    unloaded = isinstance(error, ImportError) and "failed to map segment" in text  # of a library
    unmapped = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if isinstance(error, MemoryError) or unloaded or unmapped or "can't allocate memory" in text:
        return "the memory does not suffice: take smaller batches or images, or a larger machine."
    if isinstance(error, OSError) and error.strerror and _is_outside(error):
        place = f": {error.filename}" if error.filename else ""
        remedy = "make room" if error.errno in _NO_ROOM else "mend that"
        return f"{error.strerror}{place}: {remedy}, then go on."
    if type(error).__name__ == "OutOfMemoryError":
        return f"the device's memory does not suffice, take smaller batches or images: {text}"
    if isinstance(error, RuntimeError) and "home directory" in text:
        return "there is no home folder to read ~ as: set HOME, or bind paths without ~."
    return None


def _original(error: BaseException) -> BaseException:
    """What gin raised anew under a longer text: its stand-in lacks an OSError's fields."""
    before = error.__context__
    if before is not None and error.__suppress_context__ and type(error).__base__ is type(before):
        return _original(before)
    return error
