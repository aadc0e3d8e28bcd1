"""How a study goes: its runs are completed, by whichever engine, and what they found is told."""

import argparse
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fewshot.console import message
from fewshot.errors import UserError
from fewshot.studies.arguments import options_of
from fewshot.studies.engines.engine import build_engine
from fewshot.studies.finished import Finished, finished, refuse_others
from fewshot.studies.plan import PlannedRun
from fewshot.studies.runs import GO_ON, refuse_wrong

logger = logging.getLogger("fewshot")


def complete_and_tell(
    given: argparse.Namespace,
    runs: Sequence[PlannedRun],
    place: Path,
    tell: Callable[[Finished], None],
    told: Sequence[PlannedRun] | None = None,
) -> None:
    """Complete the runs of the study in the folder `place`, then tell of them.

    tell: writes and prints what completed runs found; told: the runs that it is given where these
    are not all that are completed now. With given.show nothing is run. A study that is interrupted,
    or whose engine cannot go on, tells of what is finished by then. Raises UserError, before any is
    run, where configs or bindings are wrong or runs of another configuration there, and at the end
    where some could not be completed, or not be told.
    """
    told = runs if told is None else told
    failed: list[str] = []
    if not getattr(given, "show", False):
        engine = build_engine(given.engine, options_of(given))
        refuse_wrong(
            (run.run() for run in runs if run.after is None),
            (run.run() for run in runs if run.after is not None),
        )
        refuse_others(runs, place)
        with telling_at_an_end(lambda: tell_unfinished(told, place, tell)):
            failed = engine.complete(runs, place)
    found = finished(told, place, failed)
    if found.runs or not failed:
        tell(found)
    refuse_incomplete(failed, found)


@contextmanager
def telling_at_an_end(tell: Callable[[], None]) -> Iterator[None]:
    """What ends a study inside, an interrupt or an engine that cannot go on, has it told first.

    What keeps that from being told is warned of, and takes no interrupt's place.
    """
    try:
        yield
    except (KeyboardInterrupt, UserError) as end:
        try:
            tell()
        except UserError as error:
            logger.warning("what is finished cannot be told: %s", message(error))
        if isinstance(end, UserError):
            raise
        raise KeyboardInterrupt(GO_ON) from None


def tell_unfinished(
    told: Sequence[PlannedRun], place: Path, tell: Callable[[Finished], None]
) -> None:
    """What a study that ended leaves: the same, of the runs that are finished, if any is."""
    found = finished(told, place)
    if found.runs:
        tell(found)


def refuse_incomplete(failed: Sequence[str], found: Finished) -> None:
    """Raises UserError that names the runs that failed and those that were left out."""
    parts = [("not completed", failed), ("left out", list(dict.fromkeys(found.left_out)))]
    said = [f"{what}, for the reasons above: {', '.join(names)}." for what, names in parts if names]
    if said:
        raise UserError(" ".join(said))
