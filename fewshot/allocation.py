"""Memory that one step frees and the next wants again."""

import contextlib
import ctypes
import os
import platform
import threading
from collections.abc import Iterator

import torch

# Parameters of mallopt, https://man7.org/linux/man-pages/man3/mallopt.3.html, and what is usual:
# the defaults, and of the two thresholds, which no longer move once they are set, the values that
# they end at in a program that frees large blocks.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -2, -3, -4
_KEEPING = {_TRIM_THRESHOLD: -1, _TOP_PAD: 64 << 20, _MMAP_MAX: 0}
_USUAL = {
    _TRIM_THRESHOLD: 64 << 20,
    _TOP_PAD: 128 << 10,
    _MMAP_THRESHOLD: 32 << 20,
    _MMAP_MAX: 65_536,
}

_changing = threading.RLock()  # a generator left behind may end while another begins
_keeping = 0  # who asks for it just now: evaluation does within training


@contextlib.contextmanager
def freed_memory_kept(device: torch.device) -> Iterator[None]:
    """Has the C library keep what is freed meanwhile, and give it back at the end.

    glibc returns each large tensor to the system, which hands it out anew page by page, filled with
    zeros: up to half the time of a network on the CPU. Nothing is done for a GPU, whose memory
    torch itself keeps, for another C library, and where the environment tunes this one. What is
    computed once, such as a single batch, only loses by what was given back at its end.
    """
    library = _library() if device.type == "cpu" else None
    if library is None:
        yield
        return
    _ask(library, 1)
    try:
        yield
    finally:
        _ask(library, -1)


def _library() -> ctypes.CDLL | None:
    tuned = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ)
    return None if tuned or platform.libc_ver()[0] != "glibc" else ctypes.CDLL(None)


def _ask(library: ctypes.CDLL, more: int) -> None:
    global _keeping
    with _changing:
        _keeping += more
        if _keeping != (1 if more > 0 else 0):
            return  # others ask for it as well
        for name, value in (_KEEPING if _keeping else _USUAL).items():
            library.mallopt(name, value)
        if not _keeping:
            library.malloc_trim(0)
