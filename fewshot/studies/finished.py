"""The runs of a study that are completed as it asks for them; all else is said, and left out."""

import contextlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from fewshot.console import message
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.studies.figures import is_completed
from fewshot.studies.plan import PlannedRun
from fewshot.studies.runs import differences, refusal

logger = logging.getLogger("fewshot")

T = TypeVar("T")


@dataclass
class Finished:
    """Completed runs that a study tells of, in its order; left_out: names of those it cannot.

    place: the study's folder.
    """

    place: Path
    runs: list[PlannedRun]
    left_out: list[str] = field(default_factory=list)

    def read(self, reader: Callable[[PlannedRun, ExperimentFolder], T]) -> dict[str, T]:
        """{name: what the reader makes of the run and its folder}.

        A run that it refuses by a UserError is left out. Raises that of the first where it refuses
        all.
        """
        found, refused = {}, []
        for run in self.runs:
            try:
                found[run.name] = reader(run, folder_of(run, self.place))
            except UserError as error:
                refused.append((run.name, error))
        if refused and not found:
            raise refused[0][1]
        for name, reason in refused:
            logger.warning("%s is left out: %s", name, message(reason))
            self.left_out.append(name)
        return found


def folder_of(run: PlannedRun, place: Path) -> ExperimentFolder:
    """Where a run of the study in the folder `place` stands."""
    return ExperimentFolder(run.parent(place) / run.name)


def finished(planned: Sequence[PlannedRun], place: Path, without: Collection[str] = ()) -> Finished:
    """Those of the runs with columns that are completed; without: names of some that do not count.

    What cannot be read, or is of another configuration, is told in a warning and left out.
    """
    found, others = Finished(place, []), _Others(planned, place)
    for run in planned:
        if run.name in without or not run.columns:
            continue
        try:
            if is_completed(folder_of(run, place)) and not others.has(run):
                found.runs.append(run)
        except UserError as error:
            logger.warning("%s is left out: %s", run.name, message(error))
            found.left_out.append(run.name)
    for told in others.refusals():
        logger.warning("left out: %s", told)
    return replace(found, left_out=[*found.left_out, *others.names])


def refuse_others(planned: Sequence[PlannedRun], place: Path) -> None:
    """Raises UserError where a run's folder holds one of another configuration."""
    others = _Others(planned, place)
    for run in planned:
        with contextlib.suppress(UserError):  # who computes it says what cannot be read
            if folder_of(run, place).config.is_file():
                others.has(run)
    if others.names:
        raise UserError(f"nothing was run: {' '.join(others.refusals())}")


class _Others:
    """Folders that hold runs of another configuration, those told apart by equal lines together."""

    def __init__(self, planned: Sequence[PlannedRun], place: Path) -> None:
        self._planned, self._place = {run.name: run for run in planned}, place
        self._by_lines: dict[tuple[str, ...], list[Path]] = {}

    def has(self, run: PlannedRun) -> bool:
        """Whether the run's folder is one; raises UserError where that cannot be known."""
        asked, folder = run.run(), folder_of(run, self._place)
        if run.after is not None:
            model = folder_of(self._planned[run.after], self._place).path / run.model
            asked = asked.with_model(model)
        lines = differences(asked, folder)
        # another pretraining has another folder: what that comes of is told alone
        causes = [line for line in lines if ".saved_model_path = " not in line]
        if lines:
            self._by_lines.setdefault(tuple(causes or lines), []).append(folder.path)
        return bool(lines)

    @property
    def names(self) -> list[str]:
        """The runs of these folders."""
        return [folder.name for folders in self._by_lines.values() for folder in folders]

    def refusals(self) -> list[str]:
        """What is said of them."""
        return [refusal(folders, lines) for lines, folders in self._by_lines.items()]
