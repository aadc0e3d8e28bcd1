"""Fonts that have the glyphs of a name: class names are in any script."""

import logging
from collections.abc import Iterable
from functools import cache
from itertools import groupby

from matplotlib import font_manager

logger = logging.getLogger("fewshot")

# The first ships with matplotlib, so that every machine draws Latin, Greek and Cyrillic alike; the
# others are used for what it lacks, where they are installed.
_WANTED = (
    "DejaVu Sans",
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP"),
    *("Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Malgun Gothic"),
    *("Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari"),
    *("Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Thai", "FreeSans", "Unifont"),
    *("Arial Unicode MS", "Noto Emoji", "Noto Sans Symbols", "Noto Sans Symbols 2"),
)


@cache
def families() -> tuple[str, ...]:
    """Names of the installed fonts, in the order in which a glyph is looked for."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in _WANTED if name in installed)


def families_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Those that the texts need: one where it has all, as each takes time at every text drawn."""
    first = families()[:1]
    lacking = set().union(*map(set, texts)) - {"\n"}
    return first if all(ord(c) in _glyphs_of(*first) for c in lacking) else families()


@cache
def _glyphs() -> frozenset[int]:
    return frozenset().union(*map(_glyphs_of, families()))


@cache
def _glyphs_of(family: str) -> frozenset[int]:
    path = font_manager.findfont(family, fallback_to_default=False)
    return frozenset(font_manager.get_font(path).get_charmap())


def drawable(text: str) -> str:
    r"""The text with what no installed font can draw as its code, such as \u4e2d, said once."""
    lacking = {c for c in text if ord(c) not in _glyphs() and c != "\n"}
    if not lacking:
        return text
    _say_once()
    return "".join(ascii(c)[1:-1] if c in lacking else c for c in text)


def pieces(text: str) -> list[tuple[str, str]]:
    """(font file, text) one after the other: what one installed font each draws of `drawable`."""
    names = [(_family_of(character), character) for character in drawable(text)]
    return [
        (font_manager.findfont(family, fallback_to_default=False), "".join(c for _, c in group))
        for family, group in groupby(names, key=lambda pair: pair[0])
    ]


@cache
def _family_of(character: str) -> str:
    """The first family that has the character."""
    having = (family for family in families() if ord(character) in _glyphs_of(family))
    return next(having, families()[0])


@cache
def _say_once() -> None:
    logger.warning(
        "no installed font can draw some names, whose characters stand in pictures as codes: "
        "install a font that has them, such as Noto Sans CJK"
    )
