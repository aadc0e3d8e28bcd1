"""Which line bound what: every binding of the present configuration, in order, with its place."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Key = tuple[str, str, str]  # scope, full name, parameter
MACRO = "gin.macro"


@dataclass(frozen=True)
class Bound:
    """One binding: place is `file:line` or the -p; value as it was parsed, paths as written."""

    key: Key
    value: Any
    place: str
    number: int


_BOUND: list[Bound] = []


def begin() -> None:
    """Forget everything: a new configuration is read."""
    _BOUND.clear()


def record(key: Key, value: Any, place: str) -> None:
    """Remember one more binding, over those of the same key."""
    _BOUND.append(Bound(key, value, place, len(_BOUND)))


def history(key: Key) -> list[Bound]:
    """All bindings of a key, the one that holds last."""
    return [bound for bound in _BOUND if bound.key == key]


def place(key: Key) -> str:
    """Where the binding that holds was made, '' where that is not known."""
    found = history(key)
    return found[-1].place if found else ""


def replaced() -> Iterator[tuple[Bound, Bound]]:
    """(a binding, the next one of the same key), for every one that was overridden."""
    last: dict[Key, Bound] = {}
    for bound in _BOUND:
        if bound.key in last:
            yield last[bound.key], bound
        last[bound.key] = bound
