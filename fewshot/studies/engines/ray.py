"""Runs as tasks of a Ray cluster, whose machines share the file system of the study's folder."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fewshot.errors import UserError
from fewshot.studies.engines.local import LOST, LocalEngine
from fewshot.studies.engines.options import EngineOptions
from fewshot.studies.runs import Process

logger = logging.getLogger("fewshot")

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of linux/prctl.h


def build(options: EngineOptions) -> "RayEngine":
    """The engine on the cluster at the options' address, or on one that it starts here.

    Raises UserError without Ray, and where there is no such cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "--engine ray needs Ray, which is not installed: pip install -r requirements-ray.txt"
        ) from error
    if not ray.is_initialized():
        try:
            ray.init(address=options.address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UserError(
                f"--address {options.address}: there is no Ray cluster ({error}). Start one with "
                "ray start --head, or leave --address out to start one on this machine."
            ) from error
    return RayEngine(ray, options)


class RayEngine(LocalEngine):
    """See engine.Engine; a run whose worker or machine is lost is started again, and goes on."""

    def __init__(self, ray: Any, options: EngineOptions) -> None:
        super().__init__(options)
        self._ray = ray
        asked = {"CPU": 1.0, **options.resources}
        task = ray.remote(num_cpus=asked.pop("CPU"), num_gpus=asked.pop("GPU", 0), max_retries=0)
        self._task = task(_compute).options(resources=asked)

    def start(self, command: list[str], log: Path) -> Process:
        """The run as a task, which writes its output to the file."""
        told = {name: value for name, value in os.environ.items() if name.startswith("FEWSHOT_")}
        reference = self._task.remote(command, str(log), str(Path.cwd()), told)
        return _Task(self._ray, reference)


class _Task:
    """A run on some machine of the cluster, seen as a process."""

    def __init__(self, ray: Any, reference: Any) -> None:
        self._ray, self._reference = ray, reference

    def poll(self) -> int | None:
        """Its exit code, LOST where its worker is gone, None while it has none."""
        done, _ = self._ray.wait([self._reference], timeout=0)
        return self.wait() if done else None

    def terminate(self) -> None:
        """Ask it to stop."""
        self._ray.cancel(self._reference)

    def wait(self) -> int:
        """Its exit code, once it has one."""
        errors = self._ray.exceptions
        try:
            return int(self._ray.get(self._reference))
        except errors.TaskCancelledError:
            return 130
        except errors.RayError as error:
            logger.warning("a worker of the cluster is lost: %s", str(error).partition("\n")[0])
            return LOST


def _compute(command: list[str], log: str, folder: str, environment: Mapping[str, str]) -> int:
    """On the worker: the exit code of the command, which ends when the worker does."""
    with Path(log).open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, *command[1:]],
            stdout=file,
            stderr=file,
            cwd=folder,
            env={**os.environ, **environment},
            preexec_fn=_die_with_parent,
        )
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        return process.wait()


def _die_with_parent() -> None:
    """Else a run would go on in its folder beside the one that takes its place."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
