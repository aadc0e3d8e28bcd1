"""The names of figures and files, and which split's are kept."""

import re
from collections.abc import Mapping
from typing import Any

from fewshot.errors import UserError

_PREFIX = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9_.-]*)?")


def reported_split(splits: Mapping[str, Any]) -> str | None:
    """Whose tables and pictures are kept: the test split's, else the validation split's."""
    return next((name for name in ("test", "validation") if name in splits), None)


def prefixed(figures: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Each figure's name with the prefix, but for n, which every evaluator shares."""
    return {name if name == "n" else prefix + name: value for name, value in figures.items()}


def checked_prefix(owner: str, prefix: str) -> str:
    """The prefix of an evaluator's figures and files; raises UserError for what is no file name."""
    if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
        raise UserError(
            f"{owner}.prefix is {prefix!r}: it begins file names, so use letters, digits, "
            "_, - and (not first) dots, e.g. 'knn_'."
        )
    return prefix


def titled(prefix: str, title: str) -> str:
    """A heading that tells evaluators of one kind apart."""
    words = prefix.replace("_", " ").replace("-", " ").strip()
    return f"{title} ({words})" if words else title
