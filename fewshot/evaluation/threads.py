"""Many small computations on the CPU: a thread for each part, none inside an operation."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")


@contextmanager
def single_threaded_operations() -> Iterator[None]:
    """torch computes each operation in one thread.

    Where operations take microseconds, threads inside them wait for each other longer than they
    work, and many times longer on a machine that has other work.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def in_threads(
    function: Callable[[Part], Result], parts: Iterable[Part], device: torch.device
) -> list[Result]:
    """[function(part) for part in parts], without gradients.

    On the CPU, as many parts at a time as torch has threads, each computed by one: a part's result
    does not depend on the number of threads.
    """

    def compute(part: Part) -> Result:
        with torch.inference_mode():  # each thread has its own mode
            return function(part)

    if device.type != "cpu":
        return [compute(part) for part in parts]
    threads = torch.get_num_threads()
    with single_threaded_operations(), ThreadPoolExecutor(threads) as executor:
        return list(executor.map(compute, parts))
