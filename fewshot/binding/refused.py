"""What a thing raises while it is built from bindings, told as those bindings' fault."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gin

import fewshot
from fewshot.binding import provenance, registry
from fewshot.binding.flattening import literal
from fewshot.errors import UserError
from fewshot.interrupts import is_interrupt

_CALL = re.compile(r"\n  In call to configurable '([^']+)'")
_PROGRAM = Path(fewshot.__path__[0])
_ARGUMENTS = re.compile(
    r"\(\) (missing \d+ required|got an unexpected|got multiple|takes .* argument)"
)


@contextmanager
def refusals_named() -> Iterator[None]:
    """Turn a refusal inside a call that has bindings into a UserError that names them.

    gin notes on every error the calls of registered things that it passed, the innermost first;
    `main` is left out, as every error passes it. An error of no such call goes on as it is, and so
    do faults of the machine, and the program's own. An error that came of an interrupt, see
    is_interrupt, is that interrupt again.
    """
    try:
        yield
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:
        if is_interrupt(error):
            raise KeyboardInterrupt from error
        for called in _CALL.findall(str(error)) if is_refusal(error) else ():
            bound = _bound_on(called)
            if bound and called != "main":
                reason = str(error).partition("\n  In call to")[0].strip().splitlines()
                raise UserError(
                    f"{called} refuses its bindings: {(reason or [type(error).__name__])[0]} "
                    f"({', '.join(bound)})"
                ) from error
        raise


def is_refusal(error: BaseException) -> bool:
    """Whether what was called may have refused its arguments, rather than have a fault of its own.

    A library refuses by any error that it raises itself, a module from elsewhere by a ValueError or
    an AssertionError, a function by the TypeError of a call that does not fit it. Whatever else is
    raised in a line of this program is this program's fault.
    """
    if isinstance(error, TypeError) and _ARGUMENTS.search(str(error)):
        return True
    place = _raised_in(error)
    if place is None or place.is_relative_to(_PROGRAM):
        return False
    library = "site-packages" in place.parts or "dist-packages" in place.parts
    return library or isinstance(error, ValueError | AssertionError)


def _raised_in(error: BaseException) -> Path | None:
    """The file of the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    return Path(frames[-1].filename) if frames else None


def _bound_on(called: str) -> list[str]:
    """`Name.parameter = value in place` of all that is bound on it."""
    try:
        full = registry.resolve(called)
    except UserError:
        return []
    return [
        f"{registry.short(full)}.{parameter} = {literal(value, parameter)}"
        + (f" in {place}" if (place := provenance.place((scope, full, parameter))) else "")
        for (scope, owner), values in gin.config._CONFIG.items()
        if owner == full
        for parameter, value in values.items()
    ]
