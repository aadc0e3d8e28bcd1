"""Runs as tasks of a Ray cluster, whose machines share the file system of the study's folder."""

import logging
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from fewshot.errors import UserError
from fewshot.studies.engines.options import EngineOptions
from fewshot.studies.engines.side_by_side import SideBySide
from fewshot.studies.engines.waiting import INTERRUPTED, LOST
from fewshot.studies.engines.worker import compute
from fewshot.studies.runs import Process

logger = logging.getLogger("fewshot")

# Read when Ray is imported. Without the second, an address at which something else listens is
# asked for a quarter of an hour.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
}
_TRIES = {"RAY_NUM_REDIS_GET_RETRIES": "2"}
_OWN = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}  # as Ray's options call them
_CONNECT_SECONDS = 10
_LOOK_SECONDS = 10  # between looks at whether some machine still has room for a run


def build(options: EngineOptions) -> "RayEngine":
    """The engine on the cluster at the options' address, or on one that it starts here.

    Raises UserError without Ray, where no cluster answers, and where no machine of it has what a
    run asks for.
    """
    address = options.address or os.environ.get("RAY_ADDRESS")
    for name, value in (_ENVIRONMENT | (_TRIES if address else {})).items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "--engine ray needs Ray, which is not installed: pip install -r requirements-ray.txt"
        ) from error
    if not ray.is_initialized():
        _join(ray, address)
    return RayEngine(ray, options)


def _join(ray: Any, address: str | None) -> None:
    """Become a driver of the cluster at the address; None starts one, which ends with us."""
    remedy = "Start one with ray start --head, or leave --address out to start one on this machine."
    if address is not None and address != "auto":
        _check_listens(address, remedy)
    own: dict[str, Any] = {} if address else {"include_dashboard": False}
    stop = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
        signal.signal(signal.SIGTERM, stop)  # Ray's own aborts, and no run would be asked to save
    except (OSError, RuntimeError, ValueError) as error:
        told = f"--address {address}: no Ray cluster answers there" if address else "no cluster"
        raise UserError(f"{told} ({str(error).partition(chr(10))[0]}). {remedy}") from error


def _check_listens(address: str, remedy: str) -> None:
    """Raises UserError for an address of another form, and where nobody listens, at once."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise UserError(f"--address {address}: give HOST:PORT of a Ray cluster, or 'auto'.")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--address {address}: no Ray cluster answers there ({error}). {remedy}"
        ) from error


class RayEngine(SideBySide):
    """See engine.Engine; a run whose worker or machine is lost is started again, and goes on.

    Raises UserError where no machine has what a run asks for, also when that comes to be so.
    """

    patience = 60.0  # a worker that is out of reach never says that it has stopped

    def __init__(self, ray: Any, options: EngineOptions) -> None:
        super().__init__(options.jobs)
        self._ray = ray
        self._asked = asked = {"CPU": 1.0, **options.resources}
        own = {_OWN[name]: amount for name, amount in asked.items() if name in _OWN}
        others = {name: amount for name, amount in asked.items() if name not in _OWN}
        try:
            self._task = ray.remote(compute).options(**own, resources=others, max_retries=0)
        except ValueError as error:
            raise UserError(f"--resources: {str(error).partition(chr(10))[0]}") from error
        self.check_room()

    def start(self, command: list[str], log: Path) -> Process:
        """The run as a task, which writes its output to the file."""
        told = {name: value for name, value in os.environ.items() if name.startswith("FEWSHOT_")}
        return _Task(self, self._task.remote(command, str(log), str(Path.cwd()), told))

    def look(self) -> None:
        """See whether some machine still has room for a run, now and then."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self.check_room()

    def check_room(self) -> None:
        """Raises UserError where a run would wait for ever."""
        self._looked = time.monotonic()
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if any(all(m.get(k, 0) >= v for k, v in self._asked.items()) for m in machines):
            return
        names = [*self._asked, *(name for name in ("CPU", "GPU") if name not in self._asked)]
        there = "; ".join(", ".join(f"{k}={m.get(k, 0):g}" for k in names) for m in machines)
        asked = ", ".join(f"{name}={amount:g}" for name, amount in self._asked.items())
        raise UserError(
            f"no machine of the Ray cluster has {asked}, which each run asks for; they have: "
            f"{there or 'none is left'}. Change --resources, or add a machine; the same command "
            "goes on."
        )

    def exit_code(self, task: Any) -> int | None:
        """Of the task's run; LOST where its worker is gone, None where it still goes on."""
        errors = self._ray.exceptions
        done, _ = self._ray.wait([task], timeout=0)
        if not done:
            return None
        try:
            return int(self._ray.get(task, timeout=_CONNECT_SECONDS))
        except errors.TaskCancelledError:
            return INTERRUPTED
        except errors.RayTaskError as error:  # the run could not even be started there
            raise UserError(
                f"a run could not be started on a machine of the cluster: "
                f"{str(error).strip().splitlines()[-1]}. All machines need the study's folder, the "
                "data and this environment; the same command goes on."
            ) from error
        except errors.RayError as error:
            logger.warning("a worker of the cluster is lost: %s", str(error).partition("\n")[0])
            return LOST

    def cancel(self, task: Any) -> None:
        """Ask its run to stop."""
        self._ray.cancel(task)


class _Task:
    """A run on some machine of the cluster, seen as a process."""

    def __init__(self, engine: RayEngine, task: Any) -> None:
        self._engine, self._task = engine, task

    def poll(self) -> int | None:
        """Its exit code, LOST where its worker is gone, None while it has none."""
        return self._engine.exit_code(self._task)

    def terminate(self) -> None:
        """Ask it to stop."""
        self._engine.cancel(self._task)
