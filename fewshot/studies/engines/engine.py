"""What an engine is: it completes planned runs, wherever it has them computed."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Protocol

from fewshot.binding.suggestions import did_you_mean
from fewshot.errors import UserError
from fewshot.studies import engines
from fewshot.studies.engines.options import EngineOptions
from fewshot.studies.plan import PlannedRun
from fewshot.studies.progress import Progress


class Engine(Protocol):
    """Completes runs, several at a time, each after the one that it needs."""

    def complete(
        self, runs: Sequence[PlannedRun], place: Path, progress: Progress | None = None
    ) -> list[str]:
        """Complete the runs of the study in the folder `place`; names of those that could not be.

        progress: of a study that these are a part of, by default of these alone.

        A run that is completed already is not repeated, one that was interrupted goes on. One that
        fails keeps only those from running that start from its model. Raises KeyboardInterrupt,
        when all that ran has stopped, where the study is to stop.
        """
        ...


def names() -> list[str]:
    """The engines there are, one a module beside this one that has a `build`."""
    found = (module.name for module in iter_modules(engines.__path__))
    return [name for name in found if hasattr(_module(name), "build")]


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{engines.__name__}.{name}")


def build_engine(name: str, options: EngineOptions) -> Engine:
    """The engine of that name; raises UserError for a name that is none."""
    known = names()
    if name not in known:
        raise UserError(
            f"--engine {name}: there is none of that name.{did_you_mean(name, known)} "
            f"There are: {', '.join(known)}."
        )
    built: Engine = _module(name).build(options)
    return built
