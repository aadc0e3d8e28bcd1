"""Names close to a misspelt one, for messages that ask what was meant."""

import difflib
from collections.abc import Iterable


def closest(word: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """The candidates spelt most like the word, best first.

    Case is ignored, and a dotted candidate is also compared by its last part, so that `Adamm` finds
    `torch.optim.Adam`.
    """
    spellings: dict[str, list[str]] = {}
    for candidate in candidates:
        for spelling in {candidate.lower(), candidate.rpartition(".")[2].lower()}:
            spellings.setdefault(spelling, []).append(candidate)
    found: dict[str, None] = {}
    for asked in (word.lower(), word.rpartition(".")[2].lower()):
        for spelling in difflib.get_close_matches(asked, spellings, n=count, cutoff=0.7):
            found |= dict.fromkeys(spellings[spelling])
    return list(found)[:count]


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """' Did you mean A or B?', or nothing where no candidate comes near."""
    found = closest(word, candidates)
    return f" Did you mean {' or '.join(found)}?" if found else ""
