"""Names as they are compared and shown, lists in messages, and command lines."""

import shlex
import unicodedata
from collections.abc import Iterable

_EXPANDED = frozenset('"$`\\!')  # by a shell between double quotes
_CONTROL = ("Cc", "Zl", "Zp")


def compared(name: str) -> str:
    """A name as it is compared with others: without spaces around it, accents composed."""
    name = name.strip()
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def all_compared(names: Iterable[str]) -> list[str]:
    """Each of many as it is compared, at no call a name where they are ASCII."""
    stripped = list(map(str.strip, names))
    return stripped if all(map(str.isascii, stripped)) else list(map(compared, stripped))


def first_few(items: Iterable[object], limit: int = 5) -> str:
    """The first few items, and how many more there are."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def visible(text: str) -> str:
    """Text for a terminal: control characters, which could move its cursor, as their codes."""
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) in _CONTROL else c for c in text)


def counted(number: int, thing: str) -> str:
    """A count in words: `1 photo`, `1,000 photos`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def as_typed(words: Iterable[str]) -> str:
    """A command line as a person would type it: what holds single quotes stands in double ones."""
    return " ".join(
        f'"{word}"' if "'" in word and not _EXPANDED & set(word) else shlex.quote(word)
        for word in words
    )
