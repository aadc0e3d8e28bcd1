"""Several processes begin a run together, or are refused together, with one message."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch.distributed as dist

from fewshot.errors import UserError, in_words
from fewshot.training.agreement import check_alike, others_may_be_lost
from fewshot.training.launched import NotMetError, tell_refusal


@contextmanager
def refused_together(way_back: str) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """What one process is refused for inside, all are, until they have agreed on the facts.

    What it gives takes those facts, such as digests, once all is built that may be refused, and
    raises the same UserError in every process that another is refused for, or where they differ. It
    is called before anything else that the processes do together, but for meeting each other.

    way_back: what to do where another process ends later, or before it could say why.
    """
    agreed = False

    def agree(facts: Mapping[str, str]) -> None:
        nonlocal agreed
        agreed = True  # that the facts differ, all know
        if dist.is_initialized():
            check_alike(dist.get_world_size(), facts)

    try:
        with others_may_be_lost(way_back):
            yield agree
    except NotMetError:
        raise
    except Exception as error:
        told = None if agreed else _told(in_words(error))
        if told is None or not isinstance(error, UserError) or told == str(error):
            raise
        raise UserError(told) from error


def _told(refusal: str) -> str | None:
    """What all of them say; None where the others hear nothing, as they have ended before."""
    try:
        if not dist.is_initialized():
            return tell_refusal(refusal)
        check_alike(dist.get_world_size(), {}, refusal)
    except UserError as error:
        return str(error)
    except RuntimeError:
        pass
    return None
