"""Runs as forks of a template: processes like any other, which start without importing anything."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fewshot.binding.locating import REPOSITORY
from fewshot.interrupts import interrupts_later
from fewshot.processes import can_fork
from fewshot.studies.engines import template
from fewshot.studies.engines.waiting import LOST


class Template:
    """See template; begun with the first run, in the environment that the runs are to have."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(template.READY + 1)
        self._ready = False

    def start(self, command: list[str], log: Path) -> "ForkedRun | None":
        """The run of the command, whose output goes to the end of the file.

        None where it must be started otherwise: it is no experiment's, the template is gone, or the
        system is one whose own libraries fear a fork.
        """
        if command[:2] != [sys.executable, template.SCRIPT] or not can_fork():
            return None
        log.open("ab").close()  # raises here what the run could tell nobody
        run = {"arguments": command[2:], "log": str(log.absolute()), "folder": str(Path.cwd())}
        child: int | None = None
        try:
            self._await()
            with interrupts_later():
                child = self.answer("start", run)
        except KeyboardInterrupt:  # nobody would know of the run
            if child is not None:
                ForkedRun(self, child).terminate()
            raise
        except ConnectionError:
            return None
        return None if child is None else ForkedRun(self, child)

    def _await(self) -> None:
        """Until it is ready; a run that is asked for before would start in a study that ends."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", template.__name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=REPOSITORY,
                env=self._environment,
                start_new_session=True,  # an interrupt is for the study, which then asks its runs
            )
        if not self._ready:
            self._read(template.READY)
            self._ready = True

    def answer(self, what: str, about: Any) -> int | None:
        """What it says to that; raises ConnectionError where it is gone."""
        number = next(self._numbers)
        request = f"{json.dumps([number, what, about])}\n".encode()
        # a long one is written in parts, and half of one, before the next, would end the template
        with interrupts_later():
            self._send(request)
            return self._read(number)

    def _send(self, request: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        while request:
            request = request[os.write(self._process.stdin.fileno(), request) :]

    def _read(self, number: int) -> int | None:
        """The answer of that number."""
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            told, answer = json.loads(line)
            if told == number:
                return None if answer is None else int(answer)
        raise ConnectionResetError

    def close(self) -> None:
        """Let it end, as it does when the study ends, and wait until it and its runs have."""
        if self._process is not None:
            self._process.communicate()


class ForkedRun:
    """A run that is a child of the template, seen as a process."""

    def __init__(self, its_template: Template, child: int) -> None:
        self.pid, self._template = child, its_template

    def poll(self) -> int | None:
        """Its exit code, LOST where it has ended with the template, None while it has none."""
        try:
            return self._template.answer("poll", self.pid)
        except ConnectionError:
            return LOST

    def terminate(self) -> None:
        """Ask it to stop."""
        with contextlib.suppress(ConnectionError):
            self._template.answer("terminate", self.pid)
