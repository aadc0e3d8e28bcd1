"""Bytes, texts and values, changed in ways that disks, editors and people change them."""

import random
from typing import Any

_CHARACTERS = ",;\"'\n\r\t\0 =@%/\\.()[]{}#-+0159eE_:éあ\ufeff\u202e\x1b<&"
_WORDS = ("nan", "inf", "-1", "None", "True", "1e999", "../..", "9" * 400, "[" * 3000, "id", "@x")
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1 << 70, -0.5, float("nan"), float("inf"), "", "x", "../x"),
    *([], {}, [1], {"a": 1}, [[[[1]]]], "é" * 3000),
)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, then perhaps cut, left out, doubled, or set to nothing."""
    found = bytearray(content or b"\0")
    for _ in range(rng.choice((0, 1, 1, 3, 6))):
        found[rng.randrange(len(found))] = rng.randrange(256)
    start, stop = sorted(rng.randrange(len(found) + 1) for _ in range(2))
    ways = (found[:stop], found[:start] + found[stop:], found[:stop] + found[start:], found)
    blank = found[:start] + bytes(stop - start) + found[stop:]
    return bytes(rng.choice((*ways, found, found, blank)))


def flipped(content: bytes, rng: random.Random) -> bytes:
    """One bit the other way."""
    found = bytearray(content)
    found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def mistyped(text: str, rng: random.Random) -> str:
    """Characters, words and lines put in, left out, doubled or swapped."""
    found = text
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(found) + 1)
        lines = found.split("\n")
        way = rng.randrange(6)
        if way == 0:
            found = found[:at] + rng.choice(_CHARACTERS) + found[at:]
        elif way == 1:
            found = found[:at] + found[at + rng.randint(1, 9) :]
        elif way == 2:
            found = found[:at] + rng.choice(_WORDS) + found[at + rng.randint(0, 9) :]
        elif way == 3:
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            found = "\n".join(lines)
        elif way == 4:
            rng.shuffle(lines)
            found = "\n".join(lines)
        else:
            lines.pop(rng.randrange(len(lines)))
            found = "\n".join(lines)
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every field and item within."""
    found = [path] if path else []
    inner: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list | tuple):
        inner = enumerate(value)
    for key, item in inner:
        found += places(item, (*path, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with that place replaced."""
    if not path:
        return new
    key, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = replaced(copy[key], tuple(rest), new)
    return tuple(copy) if isinstance(value, tuple) else copy


def one_wrong_field(value: Any, rng: random.Random, values: tuple[Any, ...] = VALUES) -> Any:
    """The value with a random place made something else."""
    return replaced(value, rng.choice(places(value)), rng.choice(values))
