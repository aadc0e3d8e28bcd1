"""The runs of a study that wait, whichever engine takes them."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.studies.engines.claims import Claims
from fewshot.studies.plan import PlannedRun
from fewshot.studies.progress import Progress

logger = logging.getLogger("fewshot")

LOST = -1000  # the exit code of a run whose worker is gone
INTERRUPTED = 130  # of one that was asked to stop, and has saved
_RETRIES = 5  # of a run that was stopped by something that is not its own


class RunQueue:
    """Which runs wait, which are done, which have failed.

    progress: is told which runs never start.
    """

    def __init__(self, planned: Sequence[PlannedRun], place: Path, progress: Progress) -> None:
        self.place, self._progress = place, progress
        self.waiting = list(planned)
        self.claims = Claims()
        self.failed: list[str] = []
        self._runs = {run.name: run for run in planned}
        self._done: set[str] = set()
        self._stops: Counter[str] = Counter()

    def take(self) -> PlannedRun | None:
        """The first run that can start, which then waits no more; None where all have to wait.

        From then until it ends, or goes on later, it is no other study's.
        """
        for run in list(self.waiting):
            if run.after is not None and run.after not in self._done:
                continue
            if self.claims.take(self.folder(run.name)):
                self.waiting.remove(run)
                return run
        return None

    def goes_on(self, run: PlannedRun, code: int) -> bool:
        """Whether a run that ended with this code, by no fault of its own, waits again.

        So it is where it is lost with its worker, and where it was interrupted on its own: whoever
        interrupts the study ends that.
        """
        if code not in (LOST, INTERRUPTED):
            return False
        self._stops[run.name] += 1
        if self._stops[run.name] > _RETRIES:
            return False
        self.claims.release(self.folder(run.name))
        self.waiting.insert(0, run)
        why = "was lost with its worker" if code == LOST else "was interrupted, the study was not"
        logger.warning("%s %s, and starts again", run.name, why)
        return True

    def end(self, run: PlannedRun, failed: bool = False) -> None:
        """The run is completed, or cannot be, nor can those that need it."""
        self.claims.release(self.folder(run.name))
        if not failed:
            self._done.add(run.name)
            return
        self.failed.append(run.name)
        for left_out in [one for one in self.waiting if one.after == run.name]:
            logger.warning("%s is left out, since %s failed", left_out.name, run.name)
            self.waiting.remove(left_out)
            self._progress.skip(left_out.alike, failed=True)
            self.end(left_out, failed=True)

    def folder(self, name: str) -> ExperimentFolder:
        """Where a run stands."""
        return ExperimentFolder(self._runs[name].parent(self.place) / name)
