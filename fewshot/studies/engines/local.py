"""Runs as processes of this machine, several side by side, each with its share of the cores."""

import logging
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fewshot.console import message
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.studies import runs
from fewshot.studies.chain import model_of
from fewshot.studies.engines.options import EngineOptions
from fewshot.studies.plan import PlannedRun
from fewshot.studies.progress import Progress

logger = logging.getLogger("fewshot")

LOST = -1000  # the exit code of a run whose worker is gone
_RETRIES = 5  # of a run that is lost
_POLL_SECONDS = 0.1
_TOLD = 6  # lines of a failed run's log that are shown


def build(options: EngineOptions) -> "LocalEngine":
    """The engine for so many runs at a time; raises UserError for what a cluster alone has."""
    if options.address is not None or options.resources:
        raise UserError(
            "--address and --resources are of a cluster, and --engine is local: add --engine ray, "
            "or leave them out."
        )
    return LocalEngine(options)


@dataclass(frozen=True)
class _Going:
    """A run that is being computed."""

    planned: PlannedRun
    folder: ExperimentFolder
    process: runs.Process
    log: Path
    since: float


class LocalEngine:
    """See engine.Engine; what each run writes goes to logs/<run>.log in the study's folder."""

    def __init__(self, options: EngineOptions | None = None) -> None:
        self.jobs = jobs = (options or EngineOptions()).jobs
        # each run takes all cores for itself unless it is told its share
        self.environment = dict(os.environ)
        if jobs > 1:
            threads = max(1, len(os.sched_getaffinity(0)) // jobs)
            self.environment.setdefault("OMP_NUM_THREADS", str(threads))

    def complete(self, planned: Sequence[PlannedRun], place: Path) -> list[str]:
        """Complete the runs; the names of those that could not be."""
        queue = _Queue(planned, place)
        progress = Progress([run.alike for run in planned], self.jobs)
        going: list[_Going] = []
        try:
            while queue.waiting or going:
                while len(going) < self.jobs and (run := queue.take()) is not None:
                    started = self._start(run, queue, progress)
                    going += [started] if started else []
                going = [one for one in going if not _ended(one, queue, progress, len(going) - 1)]
                if going:
                    time.sleep(_POLL_SECONDS)
        except BaseException:
            _stop(going)
            raise
        return queue.failed

    def _start(self, run: PlannedRun, queue: "_Queue", progress: Progress) -> _Going | None:
        """The process of a run; None where it needs none or cannot be."""
        place = queue.place
        try:
            ready = run.run()
            if run.after is not None:
                ready = ready.with_model(model_of(queue.folder(run.after), run.model))
            command = runs.command(ready, run.parent(place))
        except UserError as error:
            logger.warning("%s: %s", run.name, message(error))
            queue.end(run, failed=True)
            progress.skip(run.alike)
            return None
        if command is None:
            queue.end(run)
            progress.skip(run.alike)
            return None
        log = place / "logs" / f"{run.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        process = self.start(command, log)
        return _Going(run, queue.folder(run.name), process, log, time.monotonic())

    def start(self, command: list[str], log: Path) -> runs.Process:
        """The process of a command, whose output goes to the end of the file."""
        return runs.start(command, log, self.environment)


class _Queue:
    """Which runs wait, which are done, which have failed."""

    def __init__(self, planned: Sequence[PlannedRun], place: Path) -> None:
        self.place = place
        self.waiting = list(planned)
        self.failed: list[str] = []
        self._runs = {run.name: run for run in planned}
        self._done: set[str] = set()
        self._losses: Counter[str] = Counter()

    def retried(self, run: PlannedRun) -> bool:
        """Whether a run that was lost, which is no fault of its own, waits again."""
        self._losses[run.name] += 1
        if self._losses[run.name] > _RETRIES:
            return False
        self.waiting.insert(0, run)
        return True

    def take(self) -> PlannedRun | None:
        """The first run that can start, which then waits no more; None where all have to wait."""
        for run in list(self.waiting):
            if run.after in self.failed:
                logger.warning("%s is left out, since %s failed", run.name, run.after)
                self.waiting.remove(run)
                self.failed.append(run.name)
            elif run.after is None or run.after in self._done:
                self.waiting.remove(run)
                return run
        return None

    def end(self, run: PlannedRun, failed: bool = False) -> None:
        """The run is completed, or cannot be."""
        if failed:
            self.failed.append(run.name)
        else:
            self._done.add(run.name)

    def folder(self, name: str) -> ExperimentFolder:
        """Where a run stands."""
        return ExperimentFolder(self._runs[name].parent(self.place) / name)


def _ended(one: _Going, queue: _Queue, progress: Progress, others: int) -> bool:
    """Whether a run has ended; if so it is noted, and said what is left."""
    code = one.process.poll()
    if code is None:
        return False
    if code == 130:
        raise KeyboardInterrupt("go on with the same command")
    if code == LOST and queue.retried(one.planned):
        logger.warning("%s was lost with its worker, and starts again", one.planned.name)
        return True
    completed = code == 0 and runs.is_completed(one.folder)
    queue.end(one.planned, failed=not completed)
    progress.end(one.planned.alike, time.monotonic() - one.since)
    if not completed:
        lines = one.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TOLD:]
        told = "\n  ".join(lines)
        logger.warning(
            "%s ended with exit code %s, see %s:\n  %s", one.planned.name, code, one.log, told
        )
    logger.info("%s", progress.told(others))
    return True


def _stop(going: Sequence[_Going]) -> None:
    """Ask every process to stop, once, and wait until it has."""
    for one in going:
        if one.process.poll() is None:
            one.process.terminate()  # what runs in the background of a script ignores SIGINT
    for one in going:
        one.process.wait()
