"""What a worker of a cluster does: one run, as a process that ends when the worker does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from fewshot.processes import die_with_parent

_POLL_SECONDS = 0.1


def compute(command: list[str], log: str, folder: str, environment: Mapping[str, str]) -> int:
    """The exit code of the command, run in the folder by this machine's Python.

    Its output goes to the end of the log; an interrupt lets it save and stop.
    """
    # else a cluster that was started in a script's background ignores that a run is cancelled
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Path(log).open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, *command[1:]],
            stdout=file,
            stderr=file,
            cwd=folder,
            env={**os.environ, **environment},
            preexec_fn=_as_a_process_of_its_own,
            start_new_session=True,
        )
    try:
        # an interrupt of a cancelled task is only seen between two lines of Python
        while process.poll() is None:
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        process.terminate()
    return process.wait()


def _as_a_process_of_its_own() -> None:
    """Heeds signals, which Ray blocks, and ends with the worker."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    die_with_parent()
