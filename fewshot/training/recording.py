"""Work on a GPU recorded once and replayed as a whole, without Python or launches in between."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


class Recorder(Protocol):
    """How work is recorded: by a CUDA graph, and in tests by a list of operations.

    What is recorded reads and writes the same tensors at every replay, and Python is not run again.
    """

    def apart(self) -> AbstractContextManager[None]:
        """Where work has to be done some times before it is recorded."""
        ...

    def beside(self) -> AbstractContextManager[None]:
        """What is done inside may run beside what comes after it, until `join`."""
        ...

    def join(self) -> None:
        """What comes after needs what was done beside."""
        ...

    def record(self, work: Callable[[], Result]) -> tuple[Callable[[], None], Result]:
        """(replay, what the work returned): nothing is computed before the first replay.

        Raises RuntimeError for work that cannot be recorded.
        """
        ...


class CudaRecorder:
    """CUDA graphs (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).

    Random numbers come from the device's default generator, which a graph reads at each replay, so
    that re-seeding it before one counts.
    """

    def __init__(self, device: torch.device) -> None:
        # one stream for both: gradients gather on the stream on which they were first gathered
        self._stream = torch.cuda.Stream(device)
        self._side = torch.cuda.Stream(device)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """On a stream of its own, in order with what comes before and after."""
        here = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(here)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            here.wait_stream(self._stream)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """On another stream, which while a graph is recorded becomes a branch of it."""
        self._side.wait_stream(torch.cuda.current_stream(self._side.device))
        with torch.cuda.stream(self._side):
            yield

    def join(self) -> None:
        """The current stream goes on when the other is done."""
        torch.cuda.current_stream(self._side.device).wait_stream(self._side)

    def record(self, work: Callable[[], Result]) -> tuple[Callable[[], None], Result]:
        """The graph keeps the memory of all that it computes in a pool of its own."""
        graph, broken = torch.cuda.CUDAGraph(), list[BaseException]()
        try:
            # the thread that gathers batches goes on pinning memory, which concerns no graph
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                try:
                    result = work()
                except BaseException as error:
                    broken.append(error)
                    raise
        except RuntimeError as error:
            # the end of a broken recording raises in place of what broke it
            found = broken[0] if broken else error
            raise found from found.__cause__
        return graph.replay, result


def recorder_for(device: torch.device) -> Recorder | None:
    """What records on the device; None where nothing can."""
    return CudaRecorder(device) if device.type == "cuda" else None


def detached_copy(tensor: Tensor) -> Tensor:
    """A copy that lives on at its own place, for work that is recorded to read."""
    return tensor.detach().clone(memory_format=torch.preserve_format)
