"""Runs as forks of a template: processes like any other, which start without importing anything."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from fewshot.binding.locating import REPOSITORY
from fewshot.interrupts import interrupts_later
from fewshot.processes import can_fork
from fewshot.studies.engines import template
from fewshot.studies.engines.waiting import LOST

_SLICE = 1.0  # seconds, after which an interrupt that another thread was sent is heard


class Template:
    """See template; begun with the first run, in the environment that the runs are to have."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(template.READY + 1)
        self._ready = False
        self._answers: dict[int, int | None] = {}  # those that have come
        self._half = b""

    def start(self, command: list[str], log: Path) -> "ForkedRun | None":
        """The run of the command, whose output goes to the end of the file.

        None where it must be started otherwise: it is no experiment's, the template is gone, or the
        system is one whose own libraries fear a fork.
        """
        if command[:2] != [sys.executable, template.SCRIPT] or not can_fork():
            return None
        log.open("ab").close()  # raises here what the run could tell nobody
        run = {"arguments": command[2:], "log": str(log.absolute()), "folder": str(Path.cwd())}
        number = next(self._numbers)
        try:
            self._await()
            self.tell(number, "start", run)
            child = self._answer(number)
        except KeyboardInterrupt:  # nobody would know of the run
            if self._ready:
                ForkedRun(self, number).terminate()
            raise
        except ConnectionError:
            return None
        return None if child is None else ForkedRun(self, number, child)

    def _await(self) -> None:
        """Until it is ready; a run that is asked for before would start in a study that ends."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", template.__name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=REPOSITORY,
                env=self.environment(),
                start_new_session=True,  # an interrupt is for the study, which then asks its runs
            )
        if not self._ready:
            self._answer(template.READY)
            self._ready = True

    def environment(self) -> dict[str, str]:
        """Its own: Python's paths are whole, as it is in another folder than the study."""
        paths = self._environment.get("PYTHONPATH", "")
        whole = os.pathsep.join(str(Path(path).absolute()) for path in paths.split(os.pathsep))
        return {**self._environment, **({"PYTHONPATH": whole} if paths else {})}

    def wake(self) -> None:
        """Have it go on, if somebody has stopped it: what it is told then, it hears."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def ask(self, what: str, about: int) -> int | None:
        """What it says to that; raises ConnectionError where it is gone."""
        number = next(self._numbers)
        self.tell(number, what, about)
        return self._answer(number)

    def tell(self, number: int, what: str, about: Any) -> None:
        """Send a request of that number; raises ConnectionError where it is gone."""
        assert self._process is not None and self._process.stdin is not None
        request = f"{json.dumps([number, what, about])}\n".encode()
        # a long one is written in parts, and half of one, before the next, would end the template
        with interrupts_later():
            while request:
                request = request[os.write(self._process.stdin.fileno(), request) :]

    def _answer(self, number: int) -> int | None:
        """The answer of that number; an interrupt while there is none is heard."""
        assert self._process is not None and self._process.stdout is not None
        answers = self._process.stdout.fileno()
        while number not in self._answers:
            if wait([answers], _SLICE):
                with interrupts_later():  # else it could take along what has been read
                    self._hear(answers)
        return self._answers.pop(number)

    def _hear(self, answers: int) -> None:
        """Keep what has come."""
        told = os.read(answers, 65536)
        if not told:
            raise ConnectionResetError
        *lines, self._half = (self._half + told).split(b"\n")
        self._answers.update(json.loads(line) for line in lines)

    def close(self) -> None:
        """Let it end, as it does when the study ends, and wait until it and its runs have."""
        if self._process is not None:
            self._process.communicate()


class ForkedRun:
    """A run that is a child of the template, seen as a process.

    number: of the request that started it, by which the template knows it.
    pid: its process id, None where the template has not told it.
    """

    def __init__(self, its_template: Template, number: int, pid: int | None = None) -> None:
        self.pid, self._number, self._template = pid, number, its_template

    def poll(self) -> int | None:
        """Its exit code, LOST where it has ended with the template, None while it has none."""
        try:
            return self._template.ask("poll", self._number)
        except ConnectionError:
            return LOST

    def terminate(self) -> None:
        """Ask it to stop, which is not waited for: the template may be unable to answer now."""
        with contextlib.suppress(ConnectionError):
            self._template.wake()
            self._template.tell(template.NO_ANSWER, "terminate", self._number)
