"""What is bound and goes nowhere, found once everything is built and before training begins."""

import logging
from collections.abc import Collection, Iterable
from typing import Any

import gin

from fewshot.binding import provenance, registry
from fewshot.binding.provenance import MACRO, Key

logger = logging.getLogger("fewshot")


def report_unused(replaced: Collection[str] = ()) -> None:
    """Say, in one warning, which bindings nothing has used or will use, and where they stand.

    replaced: `Name.parameter` of those that this kind of run sets itself, and another would use.
    """
    found = unused_bindings().items()
    left = {name: place for name, place in found if name.rpartition("/")[2] not in replaced}
    if left:
        lines = [f"{name} ({place})" if place else name for name, place in left.items()]
        logger.warning("bound but not used by this run: %s", ", ".join(lines))


def unused_bindings() -> dict[str, str]:
    """`scope/Name.parameter`, or `%name` of a macro, to the place that binds it.

    Used is what some call received, and what belongs to a factory that a used binding names: it is
    called later. Left out are bindings to None, which take something away, and those of something
    that a later line replaced: whoever wrote that line meant it.
    """
    used = _received()
    reached = _reached(used)
    dropped = _dropped()
    found = {}
    for (scope, full), values in gin.config._CONFIG.items():
        for parameter, value in values.items():
            key = (scope, full, parameter)
            if value is None or key in used or _owner(key) in reached:
                continue
            if (bound := provenance.history(key)) and bound[-1].number < dropped.get(full, -1):
                continue
            if full == MACRO:
                if bound and bound[-1].number < dropped.get(f"%{scope}", -1):
                    continue
                found[f"%{scope}"] = provenance.place(key)
            else:
                name = f"{scope}/{registry.short(full)}" if scope else registry.short(full)
                found[f"{name}.{parameter}"] = provenance.place(key)
    return dict(sorted(found.items()))


def _owner(key: Key) -> tuple[str, str]:
    return key[0], key[1]


def _received() -> set[Key]:
    """Each binding whose value some call received.

    A call in scope a/b takes a value bound in a/b, else in a, else without a scope.
    """
    used = set()
    for (scope, full), values in gin.config._OPERATIVE_CONFIG.items():
        parts = scope.split("/") if scope else []
        inner_first = ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]
        for parameter in values:
            for holder in inner_first:
                if parameter in gin.config._CONFIG.get((holder, full), {}):
                    used.add((holder, full, parameter))
                    break
    return used


def _reached(used: Iterable[Key]) -> set[tuple[str, str]]:
    """(scope, full name) of macros and factories that the used bindings lead to."""
    reached: set[tuple[str, str]] = set()
    waiting = [gin.config._CONFIG[scope, full][parameter] for scope, full, parameter in used]
    while waiting:
        for reference in gin.config.iterate_references({"": waiting.pop()}):
            for owner in _holders(reference):
                if owner in gin.config._CONFIG and owner not in reached:
                    reached.add(owner)
                    waiting += gin.config._CONFIG[owner].values()
    return reached


def _holders(reference: Any) -> list[tuple[str, str]]:
    """Whose bindings a reference takes; evaluators are built in the scope 'validation', too."""
    full, scopes = reference.configurable.selector, list(reference.scopes)
    if full == MACRO:
        return [("/".join(scopes), MACRO)]
    chains = (scopes, ["validation", *scopes])
    return [("/".join(chain[:n]), full) for chain in chains for n in range(len(chain) + 1)]


def _dropped() -> dict[str, int]:
    """Full name (or %macro) -> the number of the last binding that took a mention of it away."""
    dropped: dict[str, int] = {}
    for before, after in provenance.replaced():
        dropped |= dict.fromkeys(_mentioned(before.value), after.number)
    return dropped


def _mentioned(value: Any) -> set[str]:
    """Full names, and %macros with all that their values mention."""
    names: set[str] = set()
    waiting = [value]
    while waiting:
        for reference in gin.config.iterate_references({"": waiting.pop()}):
            scope, full = "/".join(reference.scopes), reference.configurable.selector
            if full == MACRO and f"%{scope}" not in names:
                waiting += [bound.value for bound in provenance.history((scope, MACRO, "value"))]
            names.add(f"%{scope}" if full == MACRO else full)
    return names
