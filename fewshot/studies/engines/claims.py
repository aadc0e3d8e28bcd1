"""Which runs are this study's to compute: each is one study's at a time, and others wait for it."""

import logging
import time
from pathlib import Path

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.experiment.lock import FolderLock, InUseError, is_held

logger = logging.getLogger("fewshot")

_LOOK_SECONDS = 1.0  # between looks at a run that another process has


class Claims:
    """The runs that this process has, by a locked file beside the folder of each.

    A process that ends, however that comes, has none.
    """

    def __init__(self) -> None:
        self._held: dict[Path, FolderLock | None] = {}
        self._looked: dict[Path, float] = {}

    def take(self, folder: ExperimentFolder) -> bool:
        """Have the run of this folder; False, told once, while another process has or computes it.

        Where there can be no lock, as in a folder that may not be written, every process has it.
        """
        path, now = folder.path, time.monotonic()
        if now - self._looked.get(path, -_LOOK_SECONDS) < _LOOK_SECONDS:
            return False
        claim = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            claim = FolderLock(path.parent, f".{path.name}.claim")
        except InUseError:
            return self._wait(path, now)
        except (OSError, UserError):
            pass
        if is_held(path):  # by a run that was begun by hand, or outlived its study
            if claim is not None:
                claim.release()
            return self._wait(path, now)
        self._held[path] = claim
        return True

    def _wait(self, path: Path, now: float) -> bool:
        if path not in self._looked:
            logger.info("%s is computed by another process: waiting for it", path)
        self._looked[path] = now
        return False

    def release(self, folder: ExperimentFolder) -> None:
        """The run has ended, or needs no computing."""
        claim = self._held.pop(folder.path, None)
        if claim is not None:
            claim.release()

    def release_all(self) -> None:
        """The study ends."""
        for path in list(self._held):
            self.release(ExperimentFolder(path))
