"""A study's runs, read from a .toml file: which configs, after which run, shown how."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fewshot.errors import UserError
from fewshot.studies.runs import Run


@dataclass(frozen=True)
class PlannedRun:
    """One run of a plan.

    after: name of the run whose saved model it takes; model: which file of that run's folder.
    columns: what its row of the table says of it; runs without are not shown. theirs: published
    figures to set beside ours, by the same path in results.json. beside: a folder beside the
    study's, in which the run stands where other studies share it. kind: of what takes about as
    long, by default of those that differ in their seeds alone; no key of a plan's file.
    """

    name: str
    configs: Sequence[str]
    bindings: Sequence[str] = ()
    after: str | None = None
    model: str = "model.mdl"
    columns: Mapping[str, Any] = field(default_factory=dict)
    theirs: Mapping[str, float] = field(default_factory=dict)
    beside: str = ""
    kind: str = ""

    def run(self) -> Run:
        """As it is started, but for the model."""
        return Run(self.name, self.configs, self.bindings)

    def parent(self, place: Path) -> Path:
        """The folder that the run's own is in, for a study in the folder `place`."""
        return place.parent / self.beside if self.beside else place

    def with_more(self, configs: Sequence[str] = (), bindings: Sequence[str] = ()) -> "PlannedRun":
        """The same run with configs and bindings behind its own, over which they win."""
        return replace(
            self, configs=[*self.configs, *configs], bindings=[*self.bindings, *bindings]
        )

    @property
    def alike(self) -> tuple[str, ...]:
        """Equal for runs that take about as long."""
        if self.kind:
            return (self.kind,)
        own = (value for value in self.bindings if ".seed = " not in value)
        return (*self.configs, *own, self.beside)


@dataclass(frozen=True)
class Plan:
    """A title, the figures the table shows, and the runs by name, each after those it needs."""

    title: str
    figures: Sequence[str]
    runs: Mapping[str, PlannedRun]

    def with_needed(self, names: Sequence[str]) -> list[PlannedRun]:
        """The named runs and those they start from, in the plan's order."""
        needed = set(names)
        for run in reversed(list(self.runs.values())):
            if run.name in needed and run.after is not None:
                needed.add(run.after)
        return [run for run in self.runs.values() if run.name in needed]


def read_plan(path: Path) -> Plan:
    """Read a plan: title, figures, and [[runs]] with the fields of PlannedRun but `kind`.

    Raises UserError, naming the run, for what is missing, unknown, doubled, or out of order.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"the plan {path} cannot be read ({error.strerror}): name a .toml file, as those in "
            "configs/studies are."
        ) from error
    except (ValueError, RecursionError) as error:  # also what is no UTF-8
        raise UserError(f"the plan {path} is no TOML: {error}.") from error
    _check_keys(content, set(_PLAN), set(_PLAN), str(path))
    _check_kinds(content, _PLAN, str(path))
    runs: dict[str, PlannedRun] = {}
    for number, entry in enumerate(content["runs"], start=1):
        what = f"run {entry.get('name', number)!r} of {path}"
        _check_keys(entry, set(_RUN), {"name", "configs"}, what)
        _check_kinds(entry, _RUN, what)
        run = PlannedRun(**entry)
        if run.name in runs:
            raise UserError(f"{what} is there twice: names are folders, so give each its own.")
        if run.after is not None and run.after not in runs:
            raise UserError(
                f"{what} comes after '{run.after}', which is not among the runs above it: "
                f"{', '.join(runs) or 'none'}."
            )
        runs[run.name] = run
    return Plan(content["title"], content["figures"], runs)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_name(value: Any) -> bool:
    return _is_text(value) and value not in ("", ".", "..") and not set(value) & set("/\\\0")


def _is_inside(value: Any) -> bool:
    return _is_text(value) and not Path(value).is_absolute() and ".." not in Path(value).parts


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _is_figures(value: Any) -> bool:
    return _is_table(value) and all(type(figure) in (int, float) for figure in value.values())


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_table, value))


_Kinds = Mapping[str, tuple[Callable[[Any], bool], str]]
_TEXT, _TEXTS = (_is_text, "a text"), (_is_texts, "a list of texts")
_NAME = (_is_name, "the name of a folder, a text without / and \\")
_PLAN: _Kinds = {"title": _TEXT, "figures": _TEXTS, "runs": (_is_tables, "tables, [[runs]]")}
_RUN: _Kinds = {
    **{"name": _NAME, "configs": _TEXTS, "bindings": _TEXTS, "after": _TEXT, "beside": _NAME},
    **{"columns": (_is_table, "a table"), "theirs": (_is_figures, "a table of numbers")},
    "model": (_is_inside, "a path inside the folder of the run that it names by `after`"),
}


def _check_kinds(entry: Mapping[str, Any], kinds: _Kinds, what: str) -> None:
    for name, value in entry.items():
        fits, kind = kinds[name]
        if not fits(value):
            raise UserError(f"{what}: {name} is {value!r:.80}, and should be {kind}.")


def _check_keys(entry: Mapping[str, Any], known: set[str], needed: set[str], what: str) -> None:
    missing, unknown = sorted(needed - entry.keys()), sorted(entry.keys() - known)
    if missing:
        raise UserError(f"{what} lacks {', '.join(missing)}.")
    if unknown:
        raise UserError(
            f"{what} has {', '.join(unknown)}, which means nothing: known are "
            f"{', '.join(sorted(known))}."
        )
