"""The runs of a study: each its own process, skipped where completed, resumed where interrupted."""

import json
import logging
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gin

from fewshot.binding import config
from fewshot.binding.locating import REPOSITORY
from fewshot.binding.registry import parameters, resolve
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder

logger = logging.getLogger("fewshot")


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


def complete(run: Run, output_dir: str | Path) -> ExperimentFolder:
    """The folder of the run, completed: run now, gone on with, or found as it is.

    Each run is a process of its own, since gin's bindings are global; its log goes to stderr.
    Raises UserError when the run is refused, or the folder holds a run of another configuration;
    KeyboardInterrupt when it was interrupted.
    """
    folder = ExperimentFolder(Path(output_dir).expanduser().absolute() / run.name)
    wanted = command(run, output_dir)
    if wanted is None:
        return folder
    code = _exit_code(wanted)
    if code == 2:
        raise UserError(f"the run '{run.name}' was refused, for the reason above.")
    if code == 130:
        raise KeyboardInterrupt("go on with the same command")
    if code != 0 or not is_completed(folder):
        raise RuntimeError(f"the run '{run.name}' ended with exit code {code}; see above")
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
        _check_same(run, folder)
        if is_completed(folder):
            logger.info("%s is completed", folder.path)
            return None
        logger.info("%s was started: going on with it", folder.path)
        arguments = ["--resume", str(folder.path)]
    else:
        logger.info("%s starts", folder.path)
        arguments = [*configs, *bindings, "--name", run.name, "--output-dir", str(parent)]
    return [sys.executable, str(REPOSITORY / "experiment.py"), *arguments]


def is_completed(folder: ExperimentFolder) -> bool:
    """Whether the run in this folder has written its final figures."""
    return folder.results.is_file() and read_results(folder).get("status") == "completed"


def read_results(folder: ExperimentFolder) -> dict[str, Any]:
    """The contents of results.json; raises UserError where there is none that can be read."""
    try:
        found: dict[str, Any] = json.loads(folder.results.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it holds no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{folder.results} cannot be read ({error}): remove the folder and run it again."
        ) from error
    return found


def figure(folder: ExperimentFolder, name: str) -> float:
    """One final figure by its path in results.json, such as 'test/top1'; of a sampled one its mean.

    Raises UserError, naming what there is, where the figure is not.
    """
    found: Any = read_results(folder)
    for part in name.split("/"):
        if not isinstance(found, dict) or part not in found:
            known = ", ".join(sorted(_names(read_results(folder))))
            raise UserError(f"{folder.results} has no figure '{name}'; it has: {known}.")
        found = found[part]
    if isinstance(found, dict) and "mean" in found:
        found = found["mean"]
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise UserError(f"'{name}' in {folder.results} is no single figure: {found!r}.")
    return float(found)


def figures(folder: ExperimentFolder) -> dict[str, float]:
    """The accuracies and losses a finished run is told by, by their paths in results.json."""
    return {
        name: figure(folder, name)
        for name in sorted(_names(read_results(folder)))
        if name.count("/") == 1 and name.endswith(("top1", "loss"))
    }


def _names(figures: dict[str, Any], prefix: str = "") -> list[str]:
    """The paths of all single figures."""
    names = []
    for name, value in figures.items():
        if isinstance(value, dict) and "mean" not in value:
            names += _names(value, f"{prefix}{name}/")
        elif isinstance(value, int | float | dict) and not isinstance(value, bool):
            names.append(prefix + name)
    return names


def _check_same(run: Run, folder: ExperimentFolder) -> None:
    """Refuse to take another configuration's run for this one."""
    asked = config.load([str(name) for name in run.configs], list(run.bindings)).text
    there = config.load([str(folder.config)], []).text
    if asked == there:
        return
    changed = sorted(set(asked.splitlines()) ^ set(there.splitlines()))
    raise UserError(
        f"{folder.path} holds a run of another configuration; these lines differ: "
        f"{'; '.join(line for line in changed if line.strip())[:500]}. Choose another "
        "--output-dir, or remove that folder."
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
        return subprocess.Popen(
            command, stdout=file, stderr=file, env=dict(environment), start_new_session=True
        )


def _exit_code(command: list[str]) -> int:
    """The exit code of a process that is asked to stop, once, when this one is."""
    # a session of its own: Ctrl-C would else reach it twice, from the terminal and from here
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()  # what runs in the background of a script ignores SIGINT
        return process.wait()
