"""What every engine does: so many runs at a time, each after the one it needs, until all are done.

An engine says how a run is started, and may say how long one has to stop.
"""

import contextlib
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fewshot.console import message
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.studies import runs
from fewshot.studies.chain import model_of
from fewshot.studies.engines.waiting import RunQueue
from fewshot.studies.figures import is_completed
from fewshot.studies.plan import PlannedRun
from fewshot.studies.progress import Progress

logger = logging.getLogger("fewshot")

_POLL_SECONDS = 0.1
_TOLD = 6  # lines of a failed run's log that are shown


@dataclass(frozen=True)
class _Going:
    """A run that is being computed."""

    planned: PlannedRun
    folder: ExperimentFolder
    process: runs.Process
    log: Path
    since: float
    resumed: bool  # so that its seconds are those of the rest


class SideBySide(ABC):
    """See engine.Engine; what each run writes goes to logs/<run>.log in the study's folder.

    patience: seconds that all runs together have to stop, once they are asked to.
    """

    patience = math.inf

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    @abstractmethod
    def start(self, command: list[str], log: Path) -> runs.Process:
        """The process of a command, whose output goes to the end of the file."""

    def look(self) -> None:  # noqa: B027  # an engine may have nothing to look at
        """Called now and then while runs are going; raises UserError where they cannot go on."""

    def complete(
        self, planned: Sequence[PlannedRun], place: Path, progress: Progress | None = None
    ) -> list[str]:
        """Complete the runs; the names of those that could not be."""
        progress = progress or Progress([run.alike for run in planned], self.jobs)
        queue = RunQueue(planned, place, progress)
        going: list[_Going] = []
        try:
            while queue.waiting or going:
                while len(going) < self.jobs and (run := queue.take()) is not None:
                    started = self._start(run, queue, progress)
                    going += [started] if started else []
                for one in list(going):
                    if _ended(one, queue, progress, len(going) - 1):
                        going.remove(one)
                if going:
                    self.look()
                if going or queue.waiting:
                    time.sleep(_POLL_SECONDS)
        except BaseException:
            _stop([one.process for one in going], self.patience)
            raise
        finally:
            queue.claims.release_all()
        return queue.failed

    def _start(self, run: PlannedRun, queue: RunQueue, progress: Progress) -> _Going | None:
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
            progress.skip(run.alike, failed=True)
            return None
        if command is None:
            queue.end(run)
            progress.skip(run.alike)
            return None
        log = place / "logs" / f"{run.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        process = self.start(command, log)
        resumed = "--resume" in command
        return _Going(run, queue.folder(run.name), process, log, time.monotonic(), resumed)


def _ended(one: _Going, queue: RunQueue, progress: Progress, others: int) -> bool:
    """Whether a run has ended; if so it is noted, and said what is left."""
    code = one.process.poll()
    if code is None:
        return False
    if queue.goes_on(one.planned, code):
        return True
    completed = code == 0 and _is_completed(one.folder)
    queue.end(one.planned, failed=not completed)
    if one.resumed:
        progress.skip(one.planned.alike, failed=not completed)
    else:
        progress.end(one.planned.alike, time.monotonic() - one.since, failed=not completed)
    if not completed:
        lines = _last_lines(one.log)
        told = "\n  ".join([f", see {one.log}:", *lines]) if lines else f" and left no {one.log}"
        logger.warning("%s ended with exit code %s%s", one.planned.name, code, told)
    logger.info("%s", progress.told(others))
    return True


def _last_lines(log: Path) -> list[str]:
    """Nothing where no log was begun, as by a worker that was lost."""
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TOLD:]
    except OSError:
        return []


def _is_completed(folder: ExperimentFolder) -> bool:
    """Whether it is; where that cannot be read the run has failed, and says why."""
    try:
        return is_completed(folder)
    except UserError as error:
        logger.warning("%s", message(error))
        return False


def _stop(going: Sequence[runs.Process], patience: float) -> None:
    """Ask every process to stop, once, and wait until all have, or for so many seconds."""
    for process in going:  # before any is waited for, which takes as long as an answer does
        with contextlib.suppress(UserError):  # what is wrong with one keeps no other going
            process.terminate()  # what runs in the background of a script ignores SIGINT
    left, ends = list(going), time.monotonic() + patience
    while (left := [one for one in left if _is_going(one)]) and time.monotonic() < ends:
        time.sleep(_POLL_SECONDS)
    if left:
        logger.warning("%d runs have not stopped within %.0f s", len(left), patience)


def _is_going(process: runs.Process) -> bool:
    """Whether it has not ended; what is wrong with one keeps no other from being stopped."""
    try:
        return process.poll() is None
    except UserError:
        return False
