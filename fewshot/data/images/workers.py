"""Workers of a DataLoader: started, waited for, and stopped by nobody but who started them."""

import contextlib
import multiprocessing
import signal
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from fewshot.data.images.photo import take_turns
from fewshot.interrupts import heed_the_parent_alone, interrupts_later
from fewshot.processes import die_with_parent


class _Deaths:
    """Torch's word of a worker that was killed, which else is raised wherever the program is.

    asking: whether a worker's result is asked for, so that who asks is the one to be told.
    """

    def __init__(self) -> None:
        self._torchs: Any = None
        self._former: Any = None  # which torch's calls as well
        self._asking = self._unheard = False

    def watch(self, before: Any) -> None:
        """Take the place of torch's handler, which it sets with its first workers.

        before: the handler there was before they were started.
        """
        there = signal.getsignal(signal.SIGCHLD)
        is_torchs = getattr(there, "__module__", "").startswith("torch.utils.data")
        if is_torchs and threading.current_thread() is threading.main_thread():
            self._torchs = there
            self._former = before if callable(before) and before is not there else None
            signal.signal(signal.SIGCHLD, self._hear)

    def _hear(self, number: int, frame: Any) -> None:
        if self._asking:
            self._torchs(number, frame)
            return
        self._unheard = True
        if self._former is not None:  # who waits for children of his own
            self._former(number, frame)

    @contextlib.contextmanager
    def raised(self) -> Iterator[None]:
        """Inside, RuntimeError is raised where a worker is killed, or was since the last time."""
        self._asking = True
        try:
            if self._unheard:
                self._unheard = False
                self._hear(signal.SIGCHLD, None)
            yield
        finally:
            self._asking = False


_deaths = _Deaths()
_NO_MORE = object()


def results_in_order(dataset: Any, workers: int, ahead: int) -> Iterator[Any]:
    """What the dataset has at 0, 1, ..., got by so many forks, each that far ahead.

    Raises OSError or RuntimeError where no process can be had or one was killed.
    """
    turns = multiprocessing.get_context("fork").Lock()

    def start(_: int) -> None:
        die_with_parent()  # else it held the locks of its parent for some seconds longer
        heed_the_parent_alone()  # else torch would say that it was killed
        take_turns(turns)

    loader = DataLoader(
        dataset,
        batch_size=None,
        collate_fn=_as_it_is,
        num_workers=workers,
        prefetch_factor=ahead,
        multiprocessing_context="fork",
        worker_init_fn=start,
        generator=torch.Generator(),  # else a number is drawn from the run's own
    )
    # An interrupt in a fork would be raised where Python holds the log's lock, and be lost with it.
    with interrupts_later(), warnings.catch_warnings():
        # threads of torch's wait for work, which the workers have none of
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        before = signal.getsignal(signal.SIGCHLD)
        got = iter(loader)
        _deaths.watch(before)
    while True:
        with _deaths.raised():
            result = next(got, _NO_MORE)
        if result is _NO_MORE:
            return
        yield result


def _as_it_is(result: Any) -> Any:
    return result
