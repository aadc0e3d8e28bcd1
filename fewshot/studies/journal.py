"""What a search has drawn and found so far, kept in a file of its folder."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.experiment.files import write_atomically, writing

NAME = "search.log"


@contextlib.contextmanager
def opened(optuna: Any, place: Path, smallest: bool) -> Iterator[Any]:
    """The search in the folder, new or as it was left, and the folder held while it goes on.

    smallest: whether the smallest value is best. Raises UserError where another process has it, and
    for a file that cannot be read.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    place.mkdir(parents=True, exist_ok=True)
    path, folder = place / NAME, ExperimentFolder(place)
    folder.lock()
    try:
        try:
            with writing(path):
                _cut_torn_line(path)
                study = _study(optuna, path, smallest)
        except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
            raise UserError(
                f"{path} cannot be read ({type(error).__name__}: {error}): remove it, and the same "
                "command draws its trials again; those that are completed are not repeated."
            ) from error
        yield study
    finally:
        folder.release()


def _study(optuna: Any, path: Path, smallest: bool) -> Any:
    """That of the file, or a new one where nothing was found yet by another kind of figure."""
    journal = optuna.storages.journal
    wanted: dict[str, Any] = {
        "storage": optuna.storages.JournalStorage(journal.JournalFileBackend(str(path))),
        "study_name": "search",
    }
    direction = "minimize" if smallest else "maximize"
    study = optuna.create_study(**wanted, direction=direction, load_if_exists=True)
    valued = any(trial.value is not None for trial in study.get_trials())
    if study.direction.name.lower() != direction and not valued:
        optuna.delete_study(**wanted)
        study = optuna.create_study(**wanted, direction=direction)
    return study


def _cut_torn_line(path: Path) -> None:
    """A process that was killed while it wrote left a line without its end."""
    if path.is_file() and not (content := path.read_bytes()).endswith(b"\n"):
        whole = content[: content.rfind(b"\n") + 1]
        write_atomically(path, lambda part: part.write_bytes(whole))


def drawn(study: Any, over: Mapping[str, Any]) -> list[Any]:
    """The trials that are wholly drawn: of one that a kill cut short nothing is known."""
    return [trial for trial in study.get_trials() if set(trial.params) >= set(over)]


def note_settings(study: Any, settings: Mapping[str, Any]) -> None:
    """Keep what the trials have in common; told with the first value, so that a slip is mended."""
    for name, value in settings.items():
        if name not in study.user_attrs:
            study.set_user_attr(name, value)


def check_goes_on(study: Any, over: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raises UserError where the search was begun with another figure, seed or other choices.

    Ranges may change: what was found within the former ones still counts.
    """
    former: dict[str, Any] = {}
    for trial in study.get_trials():
        former |= trial.distributions
    if not former:
        return
    known = {name: settings[name] for name in settings if name in study.user_attrs}
    was = _told(study.user_attrs, former)
    differ = [
        f"{was.get(name, f'without {name}')}, now {text}"
        for name, text in _told(known, over).items()
        if was.get(name) != text
    ] + [f"{was[name]}, now without" for name in former if name not in over]
    if differ:
        raise UserError(
            f"the search in this folder was begun with {'; '.join(differ)}. Go on as it was begun, "
            "or begin another with --name."
        )


def _told(settings: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, str]:
    """{name: what may not change of it, as it is typed}."""
    told = {name: f"{name} {value}" for name, value in settings.items()}
    return told | {name: _kind(name, distribution) for name, distribution in over.items()}


def _kind(name: str, distribution: Any) -> str:
    """What of a distribution may not change, as it is typed."""
    choices = getattr(distribution, "choices", None)
    if choices is not None:
        return f"--choice {name} {' '.join(map(str, choices))}"
    whole = type(distribution).__name__.startswith("Int")
    logarithm = " log" if distribution.log else ""
    return f"--over {name} {'of whole numbers' if whole else 'of numbers'}{logarithm}"
