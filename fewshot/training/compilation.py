"""torch.compile, refused in the user's terms where the machine cannot."""

import contextlib
import logging
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from fewshot.errors import UserError

logger = logging.getLogger("fewshot")


def compiled(
    forward: Callable[[Tensor], Tensor], example: Tensor, setting: str
) -> Callable[[Tensor], Tensor]:
    """The compiled function, called once with the example.

    setting: the gin parameter that asked for it. Raises UserError where it cannot be compiled.
    """
    try:
        function = torch.compile(forward)
        function(example)
    except Exception as error:  # the compiler's own, of many kinds: it needs a C++ compiler
        reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise UserError(
            f"torch.compile failed on this machine ({type(error).__name__}: {reason}): install a "
            f"C++ compiler such as g++, or bind {setting} = False."
        ) from error
    return function


def check_compilable(objective: nn.Module, device: torch.device, setting: str) -> None:
    """Raises UserError where the objective has no encoder or the machine no compiler."""
    if not isinstance(getattr(objective, "encoder", None), nn.Module):
        raise UserError(
            f"{setting} is True, but {type(objective).__name__} has no encoder to compile: bind "
            "False."
        )
    # a small function finds out about a missing compiler before the run has begun
    compiled(torch.sin, torch.zeros(8, device=device), setting)


@contextlib.contextmanager
def compiled_encoder(objective: nn.Module, wanted: bool = True) -> Iterator[None]:
    """The objective with its encoder compiled in place: names, weights and files stay as they are.

    It is compiled at the first batch of each size, in training and in evaluation; where it is not
    wanted, nothing is done.
    """
    if not wanted:
        yield
        return
    logger.info("the first batch of each size waits while the encoder is compiled")
    encoder: nn.Module = objective.encoder  # type: ignore[assignment]
    # batches come in a few sizes: code for each is faster than code for any
    encoder.compile(dynamic=False)
    try:
        yield
    finally:
        # torch has no public way back
        encoder._compiled_call_impl = None
