"""The processes of a run that embed the splits of an evaluation together.

The first runs the evaluators; whenever one asks for embeddings or scores of a split that are not
there yet, every process computes whole chunks of them, which are those that one process would
compute: the same images in the same batches, none twice and none to fill up.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from fewshot.batch import IntArray
from fewshot.errors import UserError, in_words
from fewshot.evaluation.inference import function_of, through
from fewshot.evaluation.outputs import EvaluatedSplit, Output, evaluated
from fewshot.interfaces import Dataset
from fewshot.sharing import PATIENCE

_EVALUATING = timedelta(days=1)  # by heads, projections and pictures, in the first process alone


@contextmanager
def shared(
    objective: Any, datasets: Mapping[str, Dataset]
) -> Iterator[Mapping[str, EvaluatedSplit] | None]:
    """The splits for the process that evaluates; None for the others, when they are done helping.

    Every process of the run must enter, with the same data. All compute with the first one's
    weights and statistics, and have their own again afterwards.
    """
    if not dist.is_initialized() or dist.get_world_size() == 1:
        yield evaluated(objective, datasets)
        return
    crew = _Crew(objective, datasets)
    if dist.get_rank() == 0:
        crew.send_state()
        try:
            yield evaluated(objective, datasets, crew.lead)
        finally:
            if not crew.exchanging:  # else the others wait for something else, and hear it there
                _told(None)
        return
    own = crew.take_state()
    try:
        while (asked := _waited_for()) is not None:
            crew.compute(*asked)
    finally:
        for tensor, value in zip(crew.state, own, strict=True):
            tensor.copy_(value)
    yield None


class _Crew:
    """What one process does of it."""

    def __init__(self, objective: Any, datasets: Mapping[str, Dataset]) -> None:
        self.objective, self.datasets = objective, datasets
        self.rank, self.ranks = dist.get_rank(), dist.get_world_size()
        self.exchanging = False
        self.state = [tensor.detach() for tensor in objective.parameters()]
        self.state += [tensor.detach() for tensor in objective.buffers()]

    def send_state(self) -> None:
        """Tell the others all weights and statistics, bit by bit."""
        for tensor in self.state:
            dist.broadcast(_as_bytes(tensor), 0)

    def take_state(self) -> list[Tensor]:
        """Take the first process's; what was here before."""
        before = [tensor.clone() for tensor in self.state]
        for tensor in self.state:
            data = _as_bytes(tensor)
            dist.broadcast(data, 0)
            tensor.copy_(data.view(tensor.dtype).view(tensor.shape))
        return before

    def lead(
        self, split: str, output: Output, chunk: int, alone: Callable[[IntArray], Tensor]
    ) -> Callable[[IntArray], Tensor]:
        """What computes rows of a split's output, with the others where it is worth it."""

        def compute(rows: IntArray) -> Tensor:
            if len(rows) <= chunk:
                return alone(rows)
            self.exchanging = True
            _told((split, output, rows, chunk))
            return self.compute(split, output, rows, chunk)

        return compute

    def compute(self, split: str, output: Output, rows: IntArray, chunk: int) -> Tensor:
        """Compute this process's chunks; the first process has all of them, the others their own.

        What any of them raises is raised in the first one: a UserError, or its own error.
        """
        chunks = [rows[start : start + chunk] for start in range(0, len(rows), chunk)]
        own, found = chunks[self.rank :: self.ranks], torch.empty(0)
        error: Exception | None = None
        try:
            if own:
                function = function_of(self.objective, output)
                parts = (self.objective, self.datasets[split], chunk, np.concatenate(own), output)
                found = through(function, *parts)
        except Exception as raised:  # which the others must hear of before they wait for it
            error = raised
        errors: list[str | None] = [None] * self.ranks
        dist.all_gather_object(errors, None if error is None else in_words(error))
        told = next((text for text in errors if text is not None), None)
        whole = found if told is not None else self._together(found, chunks)
        self.exchanging = False
        if told is not None and self.rank == 0:
            raise UserError(told) if error is None else error
        return whole

    def _together(self, found: Tensor, chunks: list[IntArray]) -> Tensor:
        """[rows, D] in order for the first process, which has the first chunk at least."""
        if self.rank:
            if len(found):
                dist.send(found.contiguous(), 0)
            return found
        whole = [list(found.split([len(chunk) for chunk in chunks[:: self.ranks]]))]
        for rank in range(1, self.ranks):
            sizes = [len(chunk) for chunk in chunks[rank :: self.ranks]]
            part = found.new_empty(sum(sizes), found.shape[1])
            if sizes:
                dist.recv(part, rank)
            whole.append(list(part.split(sizes)) if sizes else [])
        return torch.cat([whole[i % self.ranks][i // self.ranks] for i in range(len(chunks))])


def _told(asked: Any = None) -> Any:
    """What the first process says, in all of them."""
    said = [asked]
    dist.broadcast_object_list(said, 0)
    return said[0]


def _waited_for() -> Any:
    """The same in the others, however long the first one's evaluators take; when that process ends,
    its connections do, and the others notice at once.
    """
    dist.set_timeout(_EVALUATING)
    try:
        return _told()
    finally:
        dist.set_timeout(PATIENCE)


def _as_bytes(tensor: Tensor) -> Tensor:
    """A copy in one piece, of a kind that every backend can send."""
    return tensor.clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8)
