"""Photos that several processes embed together: whole batches in turn, so that each is computed as
one process would.
"""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import torch.distributed as dist

from fewshot.errors import UserError, in_words

Item = TypeVar("Item")


def share(items: Iterable[Item], batch: int, rank: int, ranks: int) -> Iterator[Item]:
    """Of every so many batches the one that is this process's, item by item."""
    for number, item in enumerate(items):
        if number // batch % ranks == rank:
            yield item


def in_order(own: Iterator[Item], rank: int, ranks: int) -> Iterator[Item]:
    """What the processes make, one thing each in turn: all of it in the first one, none in others.

    Each must have made as many things as its share has batches. What goes wrong in one is a
    UserError in all others.
    """
    if ranks == 1:
        yield from own
        return
    while True:
        made, error = None, None
        try:
            made = next(own, None)
        except Exception as raised:  # which the others must hear of before they wait for it
            error = raised
        told: list[Any] = [None] * ranks
        dist.all_gather_object(told, (made is not None, error and in_words(error)))
        for _, wrong in told:
            if wrong is not None:
                raise UserError(wrong) if error is None else error
        if not any(there for there, _ in told):
            return
        parts: list[Any] | None = [None] * ranks if rank == 0 else None
        dist.gather_object(made, parts, 0)
        yield from (part for part in parts or () if part is not None)
