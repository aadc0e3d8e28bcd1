"""What a process may use of the machine, and whose end is its own."""

import ctypes
import os
import signal
import sys

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of linux/prctl.h


def usable_processors() -> int:
    """How many processors this process may use, at least 1; containers are given fewer than all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def can_fork() -> bool:
    """Whether a process that computes may fork: elsewhere the system's own libraries fear it."""
    return sys.platform == "linux"


def die_with_parent() -> None:
    """End when the process that has started this one does, where the system offers that.

    Else it would go on in a folder, or hold its lock, beside the one that takes its place.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
