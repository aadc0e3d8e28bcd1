"""The runs of a study: each its own process, skipped where completed, resumed where interrupted."""

import errno
import logging
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gin

from fewshot.binding import config
from fewshot.binding.locating import REPOSITORY
from fewshot.binding.registry import parameters, resolve
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.studies.figures import is_completed

logger = logging.getLogger("fewshot")

GO_ON = "go on with the same command"  # said of what was interrupted


@dataclass(frozen=True)
class Run:
    """One run: its folder's name, and configs and bindings as `experiment.py` takes them."""

    name: str
    configs: Sequence[str]
    bindings: Sequence[str] = ()

    def with_model(self, model: Path) -> "Run":
        """The same run, starting from a saved model.

        Raises UserError where the run's objective starts from none.
        """
        config.load([str(name) for name in self.configs], list(self.bindings))
        objective = gin.get_bindings("main").get("objective")
        name = getattr(objective, "__name__", "main.objective")
        if objective is None or "saved_model_path" not in parameters(resolve(name)):
            raise UserError(
                f"the run '{self.name}' cannot start from a saved model, as {name} takes none: "
                "name a config whose main.objective has a saved_model_path, such as @TransferNet."
            )
        return self.with_bindings([f"{name}.saved_model_path = {str(model)!r}"])

    def with_bindings(self, bindings: Sequence[str]) -> "Run":
        """The same run with more bindings, which win over those it has."""
        return Run(self.name, self.configs, [*self.bindings, *bindings])


def refuse_wrong(first: Iterable[Run], later: Iterable[Run] = ()) -> None:
    """Raises UserError, before anything is run, for configs and bindings that are wrong.

    later: runs that are to start from a saved model, and where their objective starts from none.
    """
    try:
        for run in first:
            config.load([str(name) for name in run.configs], list(run.bindings))
        for run in later:
            run.with_model(Path("model.mdl"))
    except UserError as error:
        raise UserError(f"nothing was run: {error}") from error


def complete(run: Run, output_dir: str | Path) -> ExperimentFolder:
    """The folder of the run, completed: run now, gone on with, or found as it is.

    Each run is a process of its own, since gin's bindings are global; its log goes to stderr.
    Raises UserError when the run is refused or fails, or the folder holds a run of another
    configuration; KeyboardInterrupt when it was interrupted.
    """
    folder = ExperimentFolder(Path(output_dir).expanduser().absolute() / run.name)
    wanted = command(run, output_dir)
    if wanted is None:
        return folder
    code = _exit_code(wanted)
    if code == 2:
        raise UserError(f"the run '{run.name}' was refused, for the reason above.")
    if code == 130:
        raise KeyboardInterrupt(GO_ON)
    if code != 0 or not is_completed(folder):
        raise UserError(
            f"the run '{run.name}' ended with exit code {code}, see above; the same command goes "
            "on with it."
        )
    return folder


def command(run: Run, output_dir: str | Path) -> list[str] | None:
    """What starts the run or goes on with it; None where it is completed.

    Raises UserError where the folder holds a run of another configuration.
    """
    parent = Path(output_dir).expanduser().absolute()
    folder = ExperimentFolder(parent / run.name)
    bindings = [argument for binding in run.bindings for argument in ("-p", binding)]
    configs = [argument for name in run.configs for argument in ("-c", str(name))]
    if folder.config.is_file():
        changed = differences(run, folder)
        if changed:
            raise UserError(refusal([folder.path], changed))
        if is_completed(folder):
            logger.info("%s is completed", folder.path)
            return None
        logger.info("%s was started: going on with it", folder.path)
        arguments = ["--resume", str(folder.path)]
    else:
        logger.info("%s starts", folder.path)
        arguments = [*configs, *bindings, "--name", run.name, "--output-dir", str(parent)]
    return [sys.executable, str(REPOSITORY / "experiment.py"), *arguments]


def differences(run: Run, folder: ExperimentFolder) -> list[str]:
    """The lines that tell the configuration of the run in the folder from the one asked for."""
    asked = config.load([str(name) for name in run.configs], list(run.bindings)).text
    try:
        if folder.config.read_bytes() == asked.encode():
            return []
    except OSError as error:
        raise UserError(
            f"{folder.config} cannot be read ({error.strerror}), so that nothing tells what run "
            "this is: remove the folder, and the same command runs it again."
        ) from error
    # one that was written by another version may say the same in other words
    there = config.load([str(folder.config)], []).text
    changed = sorted(set(asked.splitlines()) ^ set(there.splitlines()))
    return [line for line in changed if line.strip()]


def refusal(folders: Sequence[Path], lines: Sequence[str]) -> str:
    """What is said of folders with runs of another configuration, which these lines tell apart."""
    more = f" and {len(folders) - 1} more there hold runs" if len(folders) > 1 else " holds a run"
    return (
        f"{folders[0]}{more} of another configuration; these lines differ: "
        f"{'; '.join(lines)[:500]}. Choose another --name or --output-dir, or remove "
        f"{'those folders' if len(folders) > 1 else 'that folder'}."
    )


class Process(Protocol):
    """What is used of a process that computes a run."""

    def poll(self) -> int | None:
        """Its exit code, None while it has none."""
        ...

    def terminate(self) -> None:
        """Ask it to stop."""
        ...


def start(command: list[str], log: Path, environment: Mapping[str, str]) -> Process:
    """Start a process whose output and messages go to the end of a file."""
    with log.open("ab") as file:
        return _opened(command, stdout=file, stderr=file, env=dict(environment))


def _opened(command: list[str], **files: Any) -> "subprocess.Popen[bytes]":
    """A process in a session of its own: Ctrl-C would else reach it twice, by terminal and study.

    Raises UserError where the system takes no argument of that length.
    """
    try:
        return subprocess.Popen(command, start_new_session=True, **files)
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        longest = max(command, key=len)
        raise UserError(
            f"a run cannot be started with an argument of {len(longest):,} characters, "
            f"{longest[:60]}...: write such bindings into a .gin file, and name it by -c."
        ) from error


def _exit_code(command: list[str]) -> int:
    """The exit code of a process that is asked to stop, once, when this one is."""
    process = _opened(command, stdout=subprocess.DEVNULL)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()  # what runs in the background of a script ignores SIGINT
        return process.wait()
