"""Whether a saved state is of the kind that a run just built would save."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fewshot.errors import UserError

_LARGEST = (1 << 63) - 1  # of the whole numbers that torch takes
_GROWING = ("averages.sums", "monitor.best_value")


def _may_grow(where: str) -> bool:
    """Whether a run just built has nothing there yet that could be compared."""
    ours = where.startswith("optimizer.") and not where.startswith("optimizer.param_groups")
    return ours or where in _GROWING or where.endswith("_extra_state")


def check_alike(found: Any, fresh: Any, where: str = "contents") -> None:
    """Refuse a saved value that is of another kind than that of a run just built.

    What is None, or what has yet to grow, may have become anything. Raises UserError that names
    the place.
    """
    # options such as amsgrad, which nothing moves while a run goes on
    option = where.startswith("optimizer.param_groups") and isinstance(fresh, bool | None)
    if (fresh is None and not option) or _may_grow(where):
        return
    inner: list[tuple[Any, Any, Any]] = []
    if option:
        same = found is fresh
    elif isinstance(fresh, Mapping):
        same = isinstance(found, Mapping) and found.keys() == fresh.keys()
        inner = [(found[key], fresh[key], key) for key in fresh] if same else []
    elif isinstance(fresh, list | tuple):
        same = isinstance(found, list | tuple) and len(found) == len(fresh)
        pairs = zip(found, fresh, strict=True) if same else ()
        inner = [(*pair, place) for place, pair in enumerate(pairs)]
    elif isinstance(fresh, Tensor):
        same = isinstance(found, Tensor) and _kind(found) == _kind(fresh)
    else:
        numbers = (int, float)
        same = type(found) is type(fresh) or (type(found) in numbers and type(fresh) in numbers)
        same = same and not (type(found) is int and abs(found) > _LARGEST)
    if not same:
        raise UserError(
            f"last.ckpt does not fit the configuration: its {where} {_difference(found, fresh)}: "
            "resume with the code that started the experiment, or start anew."
        )
    for one, other, key in inner:
        check_alike(one, other, str(key) if where == "contents" else f"{where}.{key}")


def check_stepped(found: Mapping[Any, Any], stepped: Mapping[Any, Any] | None) -> None:
    """Refuse an optimiser's saved state that is of another kind than `stepped`, after a step.

    stepped: None where that is not known. A parameter that has had no gradient yet has none.
    Raises UserError that names the place.
    """
    if stepped is None:
        return
    for key, state in found.items():
        if key not in stepped:
            raise UserError(
                f"last.ckpt does not fit the configuration: its optimizer.state has {key!r:.60} "
                "besides: resume with the code that started the experiment, or start anew."
            )
        # of another name than the one that check_alike passes over
        check_alike({key: state}, {key: stepped[key]}, "optimizer's state")


def _difference(found: Any, fresh: Any) -> str:
    if isinstance(found, Mapping) and isinstance(fresh, Mapping):
        lacking, more = fresh.keys() - found.keys(), found.keys() - fresh.keys()
        words = [f"lacks {', '.join(sorted(map(str, lacking))[:5])}"] if lacking else []
        words += [f"has {', '.join(sorted(map(str, more))[:5])} besides"] if more else []
        return " and ".join(words)
    return f"is {_kind(found)}, where such a run has {_kind(fresh)}"


def _kind(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, Tensor):
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, Mapping):
        return f"a dict of {', '.join(map(str, value))[:100] or 'nothing'}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return repr(value)[:60]
