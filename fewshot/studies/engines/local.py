"""Runs as processes of this machine, several side by side, each with its share of the cores."""

import os
from pathlib import Path

from fewshot.errors import UserError
from fewshot.processes import usable_processors
from fewshot.studies import runs
from fewshot.studies.engines.forked import Template
from fewshot.studies.engines.options import EngineOptions
from fewshot.studies.engines.side_by_side import SideBySide


def build(options: EngineOptions) -> "LocalEngine":
    """The engine for so many runs at a time; raises UserError for what a cluster alone has."""
    if options.address is not None or options.resources:
        raise UserError(
            "--address and --resources are of a cluster, and --engine is local: add --engine ray, "
            "or leave them out."
        )
    return LocalEngine(options)


class LocalEngine(SideBySide):
    """See engine.Engine."""

    def __init__(self, options: EngineOptions | None = None) -> None:
        super().__init__((options or EngineOptions()).jobs)
        # each run takes all cores for itself unless it is told its share
        self.environment = dict(os.environ)
        if self.jobs > 1:
            threads = max(1, usable_processors() // self.jobs)
            self.environment.setdefault("OMP_NUM_THREADS", str(threads))
        self._template = Template(self.environment)

    def start(self, command: list[str], log: Path) -> runs.Process:
        """The process of a command, whose output goes to the end of the file."""
        forked = self._template.start(command, log)
        return forked or runs.start(command, log, self.environment)
