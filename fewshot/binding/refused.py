"""What a thing raises while it is built from bindings, told as those bindings' fault."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import gin

from fewshot.binding import provenance, registry
from fewshot.binding.flattening import literal
from fewshot.errors import UserError

_CALL = re.compile(r"\n  In call to configurable '([^']+)'")


@contextmanager
def refusals_named() -> Iterator[None]:
    """Turn an error raised inside a call that has bindings into a UserError that names them.

    gin notes on every error the calls of registered things that it passed, the innermost first;
    `main` is left out, as every error passes it. An error of no such call goes on as it is, and so
    do faults of the machine.
    """
    try:
        yield
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:
        for called in _CALL.findall(str(error)):
            bound = _bound_on(called)
            if bound and called != "main":
                reason = str(error).partition("\n  In call to")[0].strip().splitlines()
                raise UserError(
                    f"{called} refuses its bindings: {(reason or [type(error).__name__])[0]} "
                    f"({', '.join(bound)})"
                ) from error
        raise


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
