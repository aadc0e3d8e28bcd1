"""What a run writes before it does anything: what is run, with what and where."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder


@contextmanager
def held(path: Path, resumed: bool, dry_run: bool, peer: bool) -> Iterator[ExperimentFolder]:
    """The run's folder, let go at the end, however that comes; a resumed one is held at once.

    peer: whether this process runs beside the one that holds and writes it. Raises UserError for a
    new folder that is not free, for a resumed one that is none or in use, and at the end where the
    folder has gone.
    """
    folder = ExperimentFolder.open(path) if resumed else ExperimentFolder(path)
    if resumed and not dry_run:
        folder.written_by(not peer).lock()
    elif not dry_run and not peer:  # where the other process may have made it by now
        folder.check_free()
    try:
        yield folder
        if not dry_run:
            folder.check_there()
    finally:
        folder.release()


def begin(
    folder: ExperimentFolder, config_text: str | None, facts: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Make the folder and write config.gin and environment.json; the facts of the latter.

    config_text: None for a resumed run, whose environment.json keeps what the run began as.
    """
    if config_text is not None:
        folder.create()
        folder.write_text(folder.config.name, config_text)
    elif folder.environment.is_file():
        origin = _origin(folder.environment)
        facts = origin | {"resumed": [*origin.get("resumed", []), facts]}
    folder.write_json(folder.environment.name, facts)
    return facts


def _origin(path: Path) -> dict[str, Any]:
    """The facts that the run began with; raises UserError for a damaged file."""
    try:
        origin = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(origin, dict) and isinstance(origin.get("resumed", []), list):
            return origin
    except (ValueError, RecursionError):
        pass
    raise UserError(
        f"{path} is damaged: it should hold a JSON object with the list 'resumed'. Remove it, and "
        "the run goes on without the facts of its beginning."
    )
