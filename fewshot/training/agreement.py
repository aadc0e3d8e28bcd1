"""Several processes as one: they start alike, fail with one message, and stop at one step."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from fewshot.errors import UserError
from fewshot.training.fabric import Fabric

_STOPS = (signal.SIGTERM, signal.SIGUSR1)  # what cluster managers send before they end a job
_EVERY = 20  # steps between two looks at the others where a look stalls a GPU
_LOST = ("connection closed", "connection reset", "timed out", "broken pipe", "nccl", "gloo")


def check_alike(ranks: int, facts: Mapping[str, str], refusal: str | None = None) -> None:
    """Raise the same UserError in each of so many processes unless all have the same facts.

    refusal: what this process is refused for already, which all raise then.
    """
    answers: list[Any] = [None] * ranks
    dist.all_gather_object(answers, (refusal, dict(facts)))
    refused = next((told for told, _ in answers if told is not None), None)
    if refused is not None:
        raise UserError(refused)
    found = [one for _, one in answers]
    names = sorted({name for one in found for name in one})
    for name in names:
        others = [rank for rank, one in enumerate(found) if one.get(name) != found[0].get(name)]
        if others:
            what = _difference(*(str(found[rank].get(name)) for rank in (0, others[0])))
            raise UserError(
                f"the processes were not started alike: the {name} of process "
                f"{', '.join(map(str, others))} differs from that of process 0 ({what}). Give all "
                "of them the same command line, files and code."
            )


def _difference(one: str, other: str) -> str:
    """The first line that differs."""
    pairs = zip(f"{one}\n".split("\n"), f"{other}\n".split("\n"), strict=False)
    first = next(((a, b) for a, b in pairs if a != b), ("", ""))
    return " there, ".join(repr(line[:80]) for line in reversed(first)) + " here"


def from_main(fabric: Fabric, made: Callable[[], Any], helped: bool = False) -> Any:
    """What the main process makes, in all of them; its UserError is raised in all of them.

    helped: the others call it, too, and what they make of it is dropped.
    """
    if fabric.world_size == 1:
        return made()
    value, told = None, None
    if fabric.is_global_zero or helped:
        try:
            value = made()
        except UserError as error:
            told = str(error)
    value, told = fabric.broadcast((value, told))
    if told is not None:
        raise UserError(told)
    return value


@contextmanager
def others_may_be_lost(way_back: str) -> Iterator[None]:
    """Say it in the user's terms where a process of the run has ended before its time."""
    try:
        yield
    except RuntimeError as error:
        text = str(error).lower()
        lost = dist.is_initialized() and any(word in text for word in _LOST)
        if not lost:
            raise
        raise UserError(
            f"another process of this run has ended, or cannot be reached any more: its own "
            f"message says why. {way_back} ({str(error).splitlines()[0][:120]})"
        ) from error


class AgreedStop(KeyboardInterrupt):
    """An interrupt that all processes of the run take at one step, so that none is gone."""


class Stop:
    """Whether the run was asked to stop, which all processes learn at one step.

    While `heeded`, SIGTERM and SIGUSR1 are noted, and the run ends at the next step, when it has
    saved; a second one ends it at once.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._asked = False

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Take the signals; outside of the main thread nobody can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._note) for number in _STOPS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def due(self, step: int) -> bool:
        """Whether to stop after this step of the run; the same answer in every process."""
        if self._fabric.world_size == 1:
            return self._asked
        if self._fabric.device.type != "cpu" and step % _EVERY:
            return False
        asked = torch.tensor(float(self._asked), device=self._fabric.device)
        dist.all_reduce(asked, op=dist.ReduceOp.MAX)
        return bool(asked)
