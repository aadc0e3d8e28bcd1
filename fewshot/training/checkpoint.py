"""last.ckpt on disk and the one before it: written whole, checked when read, refused when stale."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.experiment.files import write_atomically, writing
from fewshot.experiment.tensor_bytes import DamagedError, sealed, unsealed

logger = logging.getLogger("fewshot")

VERSION = 1


class Checkpoints:
    """The checkpoints of one folder, for the data of these digests.

    digests: of the data at hand, by the name a user knows them under.
    """

    def __init__(self, folder: ExperimentFolder, digests: Mapping[str, str]) -> None:
        self._folder = folder
        self._digests = digests

    def save(self, contents: Mapping[str, Any]) -> None:
        """Write last.ckpt and keep the one before; raises UserError where it cannot be written."""
        if self._folder.writes:
            self._folder.check_there()
            save_checkpoint(self._folder.last_checkpoint, contents, self._digests)

    def load(self) -> dict[str, Any] | None:
        """As `load_checkpoint`."""
        return load_checkpoint(self._folder.last_checkpoint, self._digests)


def previous(path: Path) -> Path:
    """Where the checkpoint before this one is kept."""
    return path.with_name(f"{path.name}.previous")


def save_checkpoint(path: Path, contents: Mapping[str, Any], digests: Mapping[str, str]) -> None:
    """Write plain values and tensors, with the digests of the data they were trained on.

    At any moment one whole checkpoint is there: as `path`, or as `previous(path)`.
    """
    data = sealed({"version": VERSION, "digests": dict(digests), "contents": dict(contents)})
    following = path.with_name(f"{path.name}.next")
    try:
        write_atomically(following, lambda part: part.write_bytes(data))
        with writing(path):
            if path.is_file():
                path.replace(previous(path))
            following.replace(path)
    finally:
        following.unlink(missing_ok=True)


def load_checkpoint(path: Path, digests: Mapping[str, str]) -> dict[str, Any] | None:
    """What was saved last, on the CPU; None where nothing was.

    digests: of the data at hand, by the name a user knows them under. Of a damaged file that is
    said, and the one before is taken. Raises UserError where that is damaged, too, for a file of a
    newer version, and where the data have changed since.
    """
    places = [place for place in (path, previous(path)) if place.is_file()]
    for place in places:
        try:
            stored = _read(place)
        except DamagedError as damage:
            logger.warning("%s is damaged (%s)", place, damage)
            continue
        if place != path:
            logger.warning("going on from the checkpoint before, %s", place)
        _refuse_stale(place, stored, digests)
        contents: dict[str, Any] = stored["contents"]
        return contents
    if not places:
        logger.info("%s has no checkpoint yet: training starts over", path.parent)
        return None
    raise UserError(
        f"{path} is damaged or not a checkpoint: remove {' and '.join(p.name for p in places)} and "
        "resume again, which starts the training over."
    )


def _read(path: Path) -> dict[str, Any]:
    stored = unsealed(path.read_bytes())
    kinds = {"version": int, "digests": dict, "contents": dict}
    if not isinstance(stored, dict) or stored.keys() != kinds.keys():
        raise DamagedError("it is no checkpoint")
    for name, kind in kinds.items():
        if type(stored[name]) is not kind:
            raise DamagedError(f"its {name} are no {kind.__name__}")
    if not all(isinstance(text, str) for pair in stored["digests"].items() for text in pair):
        raise DamagedError("its digests are no text")
    return stored


def _refuse_stale(path: Path, stored: Mapping[str, Any], digests: Mapping[str, str]) -> None:
    if stored["version"] > VERSION:
        raise UserError(
            f"{path} has checkpoint version {stored['version']}, newer than this program's "
            f"{VERSION}: resume with the program that wrote it."
        )
    for name in sorted(stored["digests"].keys() | digests.keys()):
        then, now = stored["digests"].get(name, "none"), digests.get(name, "none")
        if then != now:
            raise UserError(
                f"the {name} has changed since {path} was written (digest {then[:12]} then, "
                f"{now[:12]} now): restore it, or start a new experiment."
            )
