"""A process that has imported what every run imports first, for seconds, and forks to be one.

    python -m fewshot.studies.engines.template

is started by forked.Template. Each line of its input is [number, what, about], each of its output
[number, answer]; a run is known by the number of its start, even to who has not heard the answer.
It computes nothing, starts no thread of torch's and touches no device, so that a
fork is what Python would have started: a session of its own, its output in its log, the study's
folder and environment, and the same figures. It ends when the study does, after its forks.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fewshot.binding.locating import REPOSITORY
from fewshot.console import uncollected
from fewshot.interrupts import STOPS
from fewshot.processes import die_with_parent

SCRIPT = str(REPOSITORY / "experiment.py")
READY = 0  # the number of the answer that nothing has asked for
NO_ANSWER = -1  # and of a request that has none
_IMPORTED = (
    # what experiment.py imports once its arguments are right
    "fewshot.main",
    "fewshot.binding.refused",
    # and what nearly every run does on its way
    "fewshot.data.importers.fashion_mnist",
    "fewshot.evaluation.classification",
    "fewshot.objectives.transfer_net",
    "fewshot.reports.plots",
    "fewshot.training.event_file",
    "sklearn.metrics",
)


def _become(run: Mapping[str, Any], template: int, heeded: Mapping[signal.Signals, Any]) -> None:
    """What tells this process from its parent: session, signals, folder, files, name, arguments."""
    os.setsid()
    for stop, handler in heeded.items():
        signal.signal(stop, handler)
    die_with_parent()
    if os.getppid() != template:  # it was gone before
        os._exit(1)
    os.chdir(run["folder"])
    log = os.open(run["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for file, number in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
        os.dup2(file, number)
    with contextlib.suppress(OSError):  # what ps and top show, where there is such a thing
        Path("/proc/self/comm").write_bytes(os.fsencode(Path(run["log"]).stem))
    sys.argv = [SCRIPT, *run["arguments"]]
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _forked() -> int | None:
    """The process id of a fork, 0 in it; None where the machine has no room for one.

    A request to stop that reaches the fork before it heeds any waits until then.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # what is ignored is lost only if unblocked
    child = None
    with warnings.catch_warnings():
        # the threads that numpy's BLAS has started wait for work, and it starts them anew in a fork
        warnings.simplefilter("ignore", DeprecationWarning)
        with contextlib.suppress(OSError):
            child = os.fork()
    if child != 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    return child


class _Children:
    """The forks, by the number of the request for each, and the exit codes of those that ended."""

    def __init__(self) -> None:
        self._pids: dict[int, int] = {}
        self._codes: dict[int, int] = {}

    def add(self, number: int, child: int) -> None:
        """From now on its process id is its own until it has been waited for."""
        self._pids[number] = child

    def poll(self, number: int) -> int | None:
        """Its exit code; None while it has none."""
        if number not in self._codes:
            done, status = os.waitpid(self._pids[number], os.WNOHANG)
            if done:
                self._codes[number] = os.waitstatus_to_exitcode(status)
        return self._codes.get(number)

    def terminate(self, number: int) -> None:
        """Ask it to stop, if there is one."""
        if number in self._pids and self.poll(number) is None:
            os.kill(self._pids[number], signal.SIGTERM)

    def wait(self) -> None:
        """Until all have ended."""
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()


def _serve(answers: int, children: _Children) -> Mapping[str, Any] | None:
    """Answer until the study has gone; returns in a fork, with the run that it is to be."""
    _tell(answers, READY, None)
    for line in sys.stdin:
        number, what, about = json.loads(line)
        if what == "start":
            answer = _forked()
            if answer == 0:
                os.close(answers)
                return dict(about)
            if answer is not None:
                children.add(number, answer)
            _tell(answers, number, answer)
        elif what == "terminate":
            children.terminate(about)
        else:
            _tell(answers, number, children.poll(about))
    return None


def _tell(answers: int, number: int, answer: int | None) -> None:
    with contextlib.suppress(BrokenPipeError):  # the study has gone, as the next line will say
        os.write(answers, f"{json.dumps([number, answer])}\n".encode())


def main() -> None:
    """See above."""
    template, children = os.getpid(), _Children()
    # its end is that of its input: what asks all processes of a job to stop is for the runs, which
    # would not live to save without it
    heeded = {number: signal.signal(number, signal.SIG_IGN) for number in STOPS}
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else the system would wait for its forks
    answers = os.dup(1)
    os.dup2(2, 1)  # what anything prints is no answer
    with uncollected():
        for name in _IMPORTED:
            importlib.import_module(name)
    gc.freeze()  # else every fork would soon copy all that its collector looks at
    run = _serve(answers, children)
    if run is None:
        children.wait()
        return
    _become(run, template, heeded)
    runpy.run_path(SCRIPT, run_name="__main__")


if __name__ == "__main__":
    main()
